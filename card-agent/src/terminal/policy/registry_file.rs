//! The policy as a file that Windows' `reg import` and a double click read.

use serde_json::Value;

use super::BROWSER_KEYS;

/// The number of the first value in a list. Browsers take any number (Chromium, `registry_dict.cc`); an
/// administrator's own values, which start at 1, are left alone.
pub(super) const FIRST: usize = 14790;

/// Little-endian UTF-16 with its mark, lines ended as Windows does: the only form of version 5 that holds
/// more than ASCII on every PC.
pub fn registry_file(policy: &Value) -> Vec<u8> {
    let mut text = "Windows Registry Editor Version 5.00\n".to_owned();
    for (_, key) in BROWSER_KEYS {
        for (name, values) in lists(policy) {
            text.push_str(&format!("\n[HKEY_LOCAL_MACHINE\\{key}\\{name}]\n"));
            for (number, value) in values {
                let value = value.replace('\\', r"\\").replace('"', "\\\"");
                text.push_str(&format!("\"{number}\"=\"{value}\"\n"));
            }
        }
    }
    let text = format!("\u{feff}{}", text.replace('\n', "\r\n"));
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

/// Each policy with its numbered values.
pub(super) fn lists(policy: &Value) -> impl Iterator<Item = (&str, Vec<(usize, &str)>)> {
    let members = policy.as_object().into_iter().flatten();
    members.map(|(name, values)| {
        let values = values.as_array().into_iter().flatten().filter_map(Value::as_str);
        (name.as_str(), (FIRST..).zip(values).collect())
    })
}
