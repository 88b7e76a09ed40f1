//! Whether two accounts, or an account and what somebody typed, may be one human being.
//!
//! A person of ours is whoever holds an account, and nothing keeps a human being from holding two.
//! Where two sides must be two people, this compares what one would give away without thinking: the
//! mailbox and the name (`docs/decisions/0006-officer-and-applicant-are-two-people.md`).

use sekisho_store::{party::Party, search};
use unicode_normalization::UnicodeNormalization;

/// What two sides have in common, the strongest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Likeness {
    /// The same account.
    Person,
    /// Another account or a form with the same mailbox: the same human being until proven otherwise.
    Mailbox,
    /// The same name only. Common in Japan, so somebody else decides whether it is the same person.
    Name,
}

impl Likeness {
    /// As in audit records.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Person => "person",
            Self::Mailbox => "mailbox",
            Self::Name => "name",
        }
    }
}

/// What somebody is recognised by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    person_id: Option<String>,
    /// Empty where none is known.
    mailbox: String,
    /// Empty where none is known.
    name: String,
    /// Empty where none is known.
    kana: String,
}

impl Identity {
    /// Of a person in the register.
    #[must_use]
    pub fn of(party: &Party) -> Self {
        Self {
            person_id: Some(party.person_id.clone()),
            ..Self::told(&party.name, &party.name_kana, &party.email)
        }
    }

    /// Of what was typed into a form.
    #[must_use]
    pub fn told(name: &str, name_kana: &str, email: &str) -> Self {
        Self {
            person_id: None,
            mailbox: mailbox(email),
            name: search::key(name),
            kana: search::key(name_kana),
        }
    }

    /// What the two have in common.
    #[must_use]
    pub fn like(&self, other: &Self) -> Option<Likeness> {
        if self.person_id.is_some() && self.person_id == other.person_id {
            return Some(Likeness::Person);
        }
        if same(&self.mailbox, &other.mailbox) {
            return Some(Likeness::Mailbox);
        }
        // Kana against kana is left out: people who only sound alike are far too many. A name typed
        // in kana is held against the other's kana.
        let alike = same(&self.name, &other.name)
            || same(&self.name, &other.kana)
            || same(&self.kana, &other.name);
        alike.then_some(Likeness::Name)
    }

    /// The strongest likeness with any of `others`.
    pub fn like_any<'a>(&self, others: impl IntoIterator<Item = &'a Self>) -> Option<Likeness> {
        others.into_iter().filter_map(|other| self.like(other)).min()
    }
}

fn same(one: &str, other: &str) -> bool {
    !one.is_empty() && one == other
}

/// Where mail to this address ends up, as far as every mail server agrees: NFKC, lower case, without
/// a `+suffix` of the local part (RFC 5233) and without the final dot of a domain. Dots in the local
/// part stay: only some providers leave them out of account.
fn mailbox(email: &str) -> String {
    let folded: String = email.nfkc().flat_map(char::to_lowercase).collect();
    let folded = folded.trim();
    let Some((local, domain)) = folded.rsplit_once('@') else { return folded.to_owned() };
    let plain = local.split('+').next().unwrap_or(local);
    // Nothing before the sign: the whole is the local part.
    let plain = if plain.is_empty() { local } else { plain };
    format!("{plain}@{}", domain.trim_end_matches('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(name: &str, kana: &str, email: &str) -> Identity {
        Identity::told(name, kana, email)
    }

    #[test]
    fn aliases_of_a_mailbox_are_one_and_neighbours_are_not() {
        let own = mailbox("officer@example.jp");
        for alias in [
            "OFFICER@Example.JP",
            "officer+apply@example.jp",
            "officer+a+b@example.jp",
            "ｏｆｆｉｃｅｒ＠example.jp",
            "ｏｆｆｉｃｅｒ＋ｘ＠ｅｘａｍｐｌｅ．ｊｐ",
            " officer@example.jp ",
            "officer@example.jp.",
        ] {
            assert_eq!(mailbox(alias), own, "{alias}");
        }
        for other in ["off.icer@example.jp", "officer@example.com", "officer2@example.jp"] {
            assert_ne!(mailbox(other), own, "{other}");
        }
        assert_ne!(mailbox("+a@example.jp"), mailbox("+b@example.jp"));
    }

    #[test]
    fn the_strongest_likeness_is_told() {
        let own = told("佐藤 健", "サトウ ケン", "sato@example.jp");
        let namesake = told("佐藤　健", "", "other@example.jp");
        let alias = told("山田", "", "Sato+x@example.jp");
        assert_eq!(own.like(&namesake), Some(Likeness::Name));
        assert_eq!(own.like(&alias), Some(Likeness::Mailbox));
        assert_eq!(own.like_any([&namesake, &alias]), Some(Likeness::Mailbox));
        let of = |id: &str| Identity { person_id: Some(id.to_owned()), ..own.clone() };
        assert_eq!(of("a").like(&of("a")), Some(Likeness::Person));
        assert_eq!(of("a").like(&of("b")), Some(Likeness::Mailbox));
    }

    #[test]
    fn a_name_in_kana_is_held_against_kana_and_a_homophone_is_nobody() {
        let own = told("佐藤 健", "サトウ ケン", "");
        assert_eq!(own.like(&told("さとう けん", "", "")), Some(Likeness::Name));
        assert_eq!(own.like(&told("佐東 憲", "サトウ ケン", "")), None);
    }

    #[test]
    fn what_nobody_told_is_like_nothing() {
        assert_eq!(told("", "", "").like(&told("", "", "")), None);
    }
}
