//! Who asks, by what name, in which way: checks 2 to 4.

use super::{Ask, strangers};

// The origin of the page.
strangers! { Ask::begin;
    a_page_of_another_origin: |ask| ask.set("Origin", "https://evil.example");
    /// Sandboxed frames, `data:` pages and pages after a redirect from another site have this one.
    a_page_of_no_origin: |ask| ask.set("Origin", "null");
    a_program_that_tells_no_origin: |ask| ask.drop("Origin");
    a_page_of_an_empty_origin: |ask| ask.set("Origin", "");
    a_page_of_a_subdomain: |ask| ask.set("Origin", "https://evil.terminal.example");
    a_page_of_the_parent_domain: |ask| ask.set("Origin", "https://example");
    a_name_that_begins_like_the_portals: |ask| ask.set("Origin", "https://terminal.example.evil.example");
    a_name_that_ends_like_the_portals: |ask| ask.set("Origin", "https://evil-terminal.example");
    a_name_that_looks_like_the_portals: |ask| ask.set("Origin", "https://terminaI.example");
    a_name_in_cyrillic_letters: |ask| ask.set("Origin", "https://xn--trminal-9ng.example");
    the_portals_name_without_tls: |ask| ask.set("Origin", "http://terminal.example");
    the_portals_name_at_another_port: |ask| ask.set("Origin", "https://terminal.example:8443");
    the_portals_name_with_its_port_spelt_out: |ask| ask.set("Origin", "https://terminal.example:443");
    the_portals_name_with_a_trailing_dot: |ask| ask.set("Origin", "https://terminal.example.");
    the_portals_name_with_a_path: |ask| ask.set("Origin", "https://terminal.example/");
    the_portals_name_in_capitals: |ask| ask.set("Origin", "https://TERMINAL.example");
    the_portals_name_as_user_information: |ask| ask.set("Origin", "https://terminal.example@evil.example");
    a_list_of_origins: |ask| ask.set("Origin", "https://terminal.example https://evil.example");
    an_origin_after_the_portals: |ask| ask.add("Origin", "https://evil.example");
    an_extension_of_the_browser: |ask| ask.set("Origin", "chrome-extension://abcdefghijklmnopabcdefghijklmnop");
}

// The name by which the door is called: DNS rebinding, and everything that a resolver or a lenient
// parser takes for loopback.
strangers! { Ask::begin;
    a_name_that_was_bound_anew_to_loopback: |ask| ask.host("rebound.evil.example");
    the_name_localhost: |ask| ask.host("localhost");
    the_name_localhost_with_a_trailing_dot: |ask| ask.host("localhost.");
    the_address_of_all_interfaces: |ask| ask.host("0.0.0.0");
    the_address_with_a_trailing_dot: |ask| ask.host("127.0.0.1.");
    the_address_in_short: |ask| ask.host("127.1");
    the_address_as_one_number: |ask| ask.host("2130706433");
    the_address_in_hexadecimal: |ask| ask.host("0x7f.0.0.1");
    the_address_with_leading_zeros: |ask| ask.host("127.000.000.001");
    another_address_of_loopback: |ask| ask.host("127.0.0.2");
    the_unspecified_address_of_ipv6: |ask| ask.host("[::]");
    the_loopback_of_ipv6_in_full: |ask| ask.host("[0:0:0:0:0:0:0:1]");
    the_loopback_of_ipv4_within_ipv6: |ask| ask.host("[::ffff:127.0.0.1]");
    the_loopback_of_ipv6_with_a_zone: |ask| ask.host("[::1%25lo]");
    the_loopback_of_ipv6_without_brackets: |ask| ask.host("::1");
    a_user_before_the_address: |ask| ask.host("evil.example@127.0.0.1");
    the_address_without_a_port: |ask| ask.set("Host", "127.0.0.1");
    the_address_with_another_port: |ask| ask.set("Host", "127.0.0.1:1");
    the_port_with_a_leading_zero: |ask| ask.set("Host", &format!("127.0.0.1:0{}", ask.port));
    no_name_at_all: |ask| ask.drop("Host");
    a_second_name: |ask| ask.add("Host", "evil.example");
    the_right_name_twice: |ask| ask.add("Host", &format!("127.0.0.1:{}", ask.port));
    the_right_name_in_another_field: |ask| {
        ask.add("X-Forwarded-Host", &format!("127.0.0.1:{}", ask.port));
        ask.host("evil.example");
    };
}

// The path.
strangers! { Ask::begin;
    a_target_for_a_proxy: |ask| ask.change_line("/v1", &format!("http://127.0.0.1:{}/v1", ask.port));
    a_target_at_another_server: |ask| ask.change_line("/v1", "http://evil.example/v1");
    a_path_with_a_query: |ask| ask.change_line("begin", "begin?again");
    a_path_with_a_slash_more: |ask| ask.change_line("/v1", "//v1");
    a_path_with_a_slash_at_its_end: |ask| ask.change_line("begin", "begin/");
    a_path_by_way_of_its_parent: |ask| ask.change_line("begin", "../card-login/begin");
    a_path_with_an_octet_encoded: |ask| ask.change_line("begin", "%62egin");
    a_path_in_capitals: |ask| ask.change_line("begin", "BEGIN");
    a_path_of_another_version: |ask| ask.change_line("/v1/", "/v0/");
    the_root: |ask| ask.change_line("/v1/card-login/begin", "/");
    an_icon: |ask| ask.change_line("/v1/card-login/begin", "/favicon.ico");
}

// What a page can send without leave: forms, images, frames, scripts, sockets.
strangers! { Ask::begin;
    a_link: |ask| {
        ask.change_line("POST", "GET");
        ask.set("Sec-Fetch-Mode", "navigate");
        ask.set("Sec-Fetch-Dest", "document");
    };
    an_image: |ask| {
        ask.change_line("POST", "GET");
        ask.set("Sec-Fetch-Mode", "no-cors");
        ask.set("Sec-Fetch-Dest", "image");
    };
    a_script_element: |ask| {
        ask.change_line("POST", "GET");
        ask.set("Sec-Fetch-Mode", "no-cors");
        ask.set("Sec-Fetch-Dest", "script");
    };
    a_simple_request: |ask| {
        ask.set("Content-Type", "text/plain;charset=UTF-8");
        ask.set("Sec-Fetch-Mode", "no-cors");
        ask.drop("X-Card-Login");
    };
    a_form_of_text: |ask| {
        ask.set("Content-Type", "text/plain");
        ask.set("Sec-Fetch-Mode", "navigate");
        ask.set("Sec-Fetch-Dest", "document");
        ask.drop("X-Card-Login");
    };
    a_form_in_a_frame: |ask| {
        ask.set("Content-Type", "application/x-www-form-urlencoded");
        ask.set("Sec-Fetch-Mode", "navigate");
        ask.set("Sec-Fetch-Dest", "iframe");
        ask.drop("X-Card-Login");
    };
    a_form_with_parts: |ask| ask.set("Content-Type", "multipart/form-data; boundary=b");
    a_beacon: |ask| {
        ask.set("Sec-Fetch-Mode", "no-cors");
        ask.drop("X-Card-Login");
    };
    a_service_worker: |ask| ask.set("Sec-Fetch-Dest", "serviceworker");
    a_worker: |ask| ask.set("Sec-Fetch-Dest", "worker");
    a_websocket: |ask| {
        ask.change_line("POST", "GET");
        ask.set("Sec-Fetch-Mode", "websocket");
        ask.set("Sec-Fetch-Dest", "websocket");
        ask.set("Connection", "Upgrade");
        ask.set("Upgrade", "websocket");
        ask.set("Sec-WebSocket-Version", "13");
        ask.set("Sec-WebSocket-Key", "AAAAAAAAAAAAAAAAAAAAAA==");
    };
    a_page_on_this_very_door: |ask| ask.set("Sec-Fetch-Site", "same-origin");
    a_page_on_another_port_of_loopback: |ask| ask.set("Sec-Fetch-Site", "same-site");
    an_address_that_was_typed: |ask| ask.set("Sec-Fetch-Site", "none");
    a_program_that_is_no_browser: |ask| {
        ask.drop("Sec-Fetch-Mode");
        ask.drop("Sec-Fetch-Dest");
        ask.drop("Sec-Fetch-Site");
    };
    a_mode_that_stands_twice: |ask| ask.add("Sec-Fetch-Mode", "cors");
    another_method: |ask| ask.change_line("POST", "PUT");
    a_method_in_small_letters: |ask| ask.change_line("POST", "post");
    a_request_for_the_head_only: |ask| ask.change_line("POST", "HEAD");
    a_request_for_an_echo: |ask| ask.change_line("POST", "TRACE");
    a_method_in_another_field: |ask| {
        ask.change_line("POST", "GET");
        ask.set("X-HTTP-Method-Override", "POST");
    };
}

// Our own header and the body's type.
strangers! { Ask::begin;
    without_our_header: |ask| ask.drop("X-Card-Login");
    an_older_version_of_the_protocol: |ask| ask.set("X-Card-Login", "0");
    a_newer_version_of_the_protocol: |ask| ask.set("X-Card-Login", "2");
    two_versions_of_the_protocol: |ask| ask.add("X-Card-Login", "0");
    a_body_of_no_type: |ask| ask.drop("Content-Type");
    a_body_of_json_with_a_parameter: |ask| ask.set("Content-Type", "application/json; charset=utf-8");
    a_body_of_two_types: |ask| ask.add("Content-Type", "text/plain");
}

// Asking for leave.
strangers! { Ask::preflight;
    leave_for_another_origin: |ask| ask.set("Origin", "https://evil.example");
    leave_for_no_origin: |ask| ask.set("Origin", "null");
    leave_by_a_name_that_was_bound_anew: |ask| ask.host("rebound.evil.example");
    leave_for_another_method: |ask| ask.set("Access-Control-Request-Method", "PUT");
    leave_for_a_further_header: |ask| ask.set("Access-Control-Request-Headers", "x-card-login,authorization");
    leave_for_another_site_to_come_in_from_outside: |ask| {
        ask.set("Origin", "https://evil.example");
        ask.set("Access-Control-Request-Private-Network", "true");
        ask.set("Access-Control-Request-Local-Network", "true");
    };
    leave_that_names_no_method: |ask| ask.drop("Access-Control-Request-Method");
    leave_for_the_second_door: |ask| ask.change_line("begin", "navigate");
    leave_for_everything: |ask| ask.change_line("/v1/card-login/begin", "*");
}
