//! The few places of the registry that concern us.

use std::io::{Error, Result};

use winsafe::{HKEY, RegistryValue, co};

pub(super) fn failed(error: co::ERROR) -> Error {
    Error::from_raw_os_error(error.raw().cast_signed())
}

/// A text of the user's part; `None` where there is none.
pub(super) fn text(key: &str, name: &str) -> Option<String> {
    match HKEY::CURRENT_USER.RegGetValue(Some(key), Some(name), co::RRF::RT_REG_SZ) {
        Ok(RegistryValue::Sz(text)) => Some(text),
        _ => None,
    }
}

/// The texts of a key, as policies keep a list; empty where there is none.
pub(super) fn list(root: &HKEY, key: &str) -> Vec<String> {
    let Ok(key) = root.RegOpenKeyEx(Some(key), co::REG_OPTION::default(), co::KEY::READ) else {
        return Vec::new();
    };
    let Ok(values) = key.RegEnumValue() else { return Vec::new() };
    let text = |name: String| match key.RegQueryValueEx(Some(&name)) {
        Ok(RegistryValue::Sz(text)) => Some(text),
        _ => None,
    };
    values.filter_map(|value| text(value.ok()?.0)).collect()
}

/// Writes a text into the user's part, with its key; the empty name is the key's own value.
pub(super) fn write(key: &str, name: &str, text: &str) -> Result<()> {
    let name = Some(name).filter(|name| !name.is_empty());
    let value = RegistryValue::Sz(text.to_owned());
    HKEY::CURRENT_USER.RegSetKeyValue(Some(key), name, value).map_err(failed)
}

/// Removes a value of the user's part; says whether it was there.
pub(super) fn remove_value(key: &str, name: &str) -> Result<bool> {
    let access = co::KEY::SET_VALUE;
    let opened = HKEY::CURRENT_USER.RegOpenKeyEx(Some(key), co::REG_OPTION::default(), access);
    was_there(opened.and_then(|key| key.RegDeleteValue(Some(name))))
}

/// Removes a key of the user's part that has none below it; says whether it was there.
pub(super) fn remove_key(key: &str) -> Result<bool> {
    was_there(HKEY::CURRENT_USER.RegDeleteKey(key))
}

fn was_there(removed: winsafe::SysResult<()>) -> Result<bool> {
    match removed {
        Ok(()) => Ok(true),
        Err(co::ERROR::FILE_NOT_FOUND) => Ok(false),
        Err(error) => Err(failed(error)),
    }
}
