//! The table of levels in `docs/levels.md`, against what the program does.

use std::collections::BTreeSet;

use sekisho_wire::acr;

use crate::{
    config::{Settings, StatusSource},
    login::{self, day_pass, hpki, jpki, passkey, password},
};

const DOCUMENT: &str = include_str!("../../../../docs/levels.md");

/// Level, methods, and what it says of logins that reach it, of each row.
fn rows() -> Vec<(&'static str, BTreeSet<&'static str>, &'static str)> {
    let rows = DOCUMENT.lines().filter(|line| line.starts_with("| `urn:"));
    rows.map(|row| {
        let cells: Vec<_> = row.split('|').map(str::trim).collect();
        let methods = cells[2].split(", ").map(|method| method.trim_matches('`')).collect();
        (cells[1].trim_matches('`'), methods, cells[4])
    })
    .collect()
}

#[test]
fn the_table_names_each_level_the_weakest_first_with_its_methods() {
    let named: Vec<_> = rows().into_iter().map(|(level, ..)| level).collect();
    assert_eq!(named, acr::LEVELS);
    let methods: [(&str, &[&str]); 6] = [
        (acr::HPKI_CARD, &hpki::admission::AMR),
        (acr::JPKI_CARD, &jpki::admission::AMR),
        (acr::PASSKEY, &passkey::admission::AMR),
        (acr::DAY_PASS, &day_pass::admission::AMR),
        (acr::PASSWORD_TOTP, &password::admission::AMR),
        (acr::PASSWORD_AT_FACILITY, &password::admission::AMR_ALONE),
    ];
    // In place of the code, beside the same password.
    let by_passkey: Vec<_> =
        password::admission::AMR_PASSKEY.iter().map(|method| format!("`{method}`")).collect();
    assert!(DOCUMENT.contains(&by_passkey.join(", ")), "{by_passkey:?}");
    for (level, methods) in methods {
        let told = rows().into_iter().find(|(named, ..)| *named == level).unwrap().1;
        assert_eq!(told, methods.iter().copied().collect(), "{level}");
    }
}

#[test]
fn a_login_reaches_a_level_where_the_table_says_so() {
    let folder = tempfile::tempdir().unwrap();
    for allowed in 0..32 {
        let [passkeys, jpki, passwords, alone, day_passes] =
            [1, 2, 4, 8, 16].map(|bit| allowed & bit != 0);
        if alone && !passwords {
            continue;
        }
        let mut settings = Settings::default();
        settings.card_login.passkeys = passkeys;
        settings.card_login.passwords = passwords;
        settings.card_login.password_with_facility_certificate = alone;
        settings.card_login.day_passes = day_passes;
        if jpki {
            settings.jpki.status = StatusSource::Files;
        }
        let config = settings.validate(folder.path()).unwrap();
        let told: Vec<_> = rows()
            .into_iter()
            .filter(|(.., when)| match *when {
                "always" => true,
                "with `card_login.passkeys`" => passkeys,
                "with `card_login.passwords`" => passwords,
                "with `card_login.password_with_facility_certificate`" => alone,
                "with `card_login.day_passes`" => day_passes,
                "with `[jpki]`" => jpki,
                other => panic!("{other}"),
            })
            .map(|(level, ..)| level)
            .collect();
        assert_eq!(login::levels(&config), told);
    }
}
