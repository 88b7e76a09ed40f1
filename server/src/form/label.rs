//! What a field is called on the pages that ask for it.

/// Message key of the label of a field, by its name in the form. `None` for a field without one,
/// and for names that mean one thing here and another there (`name`, `code`, `note`).
#[must_use]
pub fn label_key(field: &str) -> Option<&'static str> {
    Some(match field {
        "login_name" => "people-field-login-name",
        "password" => "people-field-password",
        "password_again" => "people-field-password-again",
        "present_password" => "account-present-password",
        "setup" => "people-field-setup",
        "totp_code" => "people-field-totp-code",
        "email" => "people-field-email",
        "role" => "people-field-role",
        "organisation_id" => "people-field-service-organisation",
        "contact_name" => "register-field-contact-name",
        "contact_phone" => "register-field-contact-phone",
        "contact_email" => "register-field-contact-email",
        "prefecture" => "register-field-prefecture",
        "postal_code" => "register-field-postal-code",
        "address" => "register-field-address",
        "kind" => "register-field-kind",
        "scheme" => "register-field-scheme",
        "value" => "register-field-code",
        "source" => "register-check-source",
        "reason" => "status-reason",
        "from" => "audit-from",
        "until" => "audit-until",
        "actor" => "audit-actor-asked",
        "act" => "audit-act",
        "sure" => "error-field-sure",
        "lang" => "error-field-lang",
        "before" => "error-field-before",
        "page" => "error-field-page",
        "request" => "error-field-request",
        "notice" => "error-field-notice",
        "return_to" => "error-field-return-to",
        "token" => "error-field-token",
        "invitation" => "error-field-invitation",
        _ => return None,
    })
}
