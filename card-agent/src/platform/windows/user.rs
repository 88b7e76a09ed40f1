//! Whose program it is: the user of a process's token, as text (security identifier, `S-1-5-…`).

use winsafe::{HPROCESS, SysResult, TokenInfo, co};

/// Ours.
pub(super) fn own() -> Option<String> {
    of(&HPROCESS::GetCurrentProcess()).ok()?
}

/// The user of this process; `None` where there is none, or its user keeps us from asking, which no
/// process of our own does.
pub(super) fn of_process(process: u32) -> Option<String> {
    let process = HPROCESS::OpenProcess(co::PROCESS::QUERY_LIMITED_INFORMATION, false, process);
    of(&*process.ok()?).ok()?
}

/// Whether one of these processes is our own user's.
pub(super) fn is_own_process(process: u32) -> bool {
    own().is_some_and(|ours| of_process(process) == Some(ours))
}

/// Whether we run with an administrator's rights: "elevated".
pub fn is_administrator() -> bool {
    let token = HPROCESS::GetCurrentProcess().OpenProcessToken(co::TOKEN::QUERY);
    token.is_ok_and(|token| {
        let told = token.GetTokenInformation(co::TOKEN_INFORMATION_CLASS::Elevation);
        matches!(told, Ok(TokenInfo::Elevation(elevation)) if elevation.TokenIsElevated())
    })
}

fn of(process: &HPROCESS) -> SysResult<Option<String>> {
    let token = process.OpenProcessToken(co::TOKEN::QUERY)?;
    match token.GetTokenInformation(co::TOKEN_INFORMATION_CLASS::User)? {
        TokenInfo::User(user) => Ok(user.User.Sid().map(|user| user.to_string())),
        _ => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_process_is_our_users_and_one_that_is_not_there_is_nobodys() {
        assert!(own().is_some_and(|user| user.starts_with("S-1-")));
        assert_eq!(of_process(std::process::id()), own());
        assert!(is_own_process(std::process::id()));
        // Numbers of processes are multiples of four.
        assert_eq!(of_process(u32::MAX - 2), None);
    }
}
