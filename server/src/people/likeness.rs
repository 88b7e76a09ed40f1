//! Whether two accounts, or an account and what somebody typed, may be one human being.
//!
//! A person of ours is whoever holds an account, and nothing keeps a human being from holding two.
//! Where two sides must be two people, this compares what one would give away without thinking: the
//! mailbox and the name (`docs/decisions/0006-officer-and-applicant-are-two-people.md`).

use sekisho_store::{party::Party, search};
use unicode_normalization::UnicodeNormalization;

use super::{mailbox, written};
use crate::form::is_invisible;

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
    /// Empty where none is known.
    romaji: String,
}

impl Identity {
    /// Of a person in the register.
    #[must_use]
    pub fn of(party: &Party) -> Self {
        Self {
            person_id: Some(party.person_id.clone()),
            romaji: name_key(&party.name_romaji),
            ..Self::told(&party.name, &party.name_kana, &party.email)
        }
    }

    /// Of what was typed into a form.
    #[must_use]
    pub fn told(name: &str, name_kana: &str, email: &str) -> Self {
        Self {
            person_id: None,
            mailbox: mailbox::key(email),
            name: name_key(name),
            kana: name_key(name_kana),
            romaji: String::new(),
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
        // in kana or Latin letters is held against the other's.
        let alike = [&other.name, &other.kana, &other.romaji]
            .into_iter()
            .any(|written| same_parts(&self.name, written))
            || [&self.kana, &self.romaji].into_iter().any(|own| same_parts(own, &other.name));
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

/// Whether two names are one, whichever part of it stands first.
fn same_parts(one: &str, other: &str) -> bool {
    !one.is_empty() && one.len() == other.len() && one.repeat(2).contains(other)
}

/// What is held against another name: the key of the search over letters only, so without spaces,
/// marks between the parts and invisible characters, without what stands in brackets beside it, in
/// everyday characters, and without an honorific at its end.
fn name_key(name: &str) -> String {
    let shown = name.chars().filter(|c| !is_invisible(*c)).nfkc();
    let (mut outside, mut all, mut depth) = (String::new(), String::new(), 0_usize);
    for c in shown {
        match c {
            '(' | '[' | '{' | '<' | '〔' | '【' | '〈' | '《' | '「' | '『' => depth += 1,
            ')' | ']' | '}' | '>' | '〕' | '】' | '〉' | '》' | '」' | '』' => {
                depth = depth.saturating_sub(1);
            }
            c if c.is_alphanumeric() => {
                let c = written::everyday(c);
                all.push(c);
                if depth == 0 {
                    outside.push(c);
                }
            }
            _ => {}
        }
    }
    // Nothing beside the brackets: the name stands within.
    search::key(written::without_honorific(if outside.is_empty() { &all } else { &outside }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(name: &str, kana: &str, email: &str) -> Identity {
        Identity::told(name, kana, email)
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
    fn a_name_in_latin_letters_is_held_against_what_a_card_says() {
        let card = Identity::of(&Party {
            person_id: "a".to_owned(),
            name: "山田 太郎".to_owned(),
            name_kana: String::new(),
            name_romaji: "YAMADA TARO".to_owned(),
            email: String::new(),
        });
        for name in ["Yamada Taro", "Taro Yamada", "ＹＡＭＡＤＡ　ＴＡＲＯ", "山田太郎"]
        {
            assert_eq!(card.like(&told(name, "", "")), Some(Likeness::Name), "{name}");
            assert_eq!(told(name, "", "").like(&card), Some(Likeness::Name), "{name}");
        }
        assert_eq!(card.like(&told("Yamada Jiro", "", "")), None);
    }

    #[test]
    fn order_brackets_and_marks_make_no_other_name() {
        let own = told("佐藤 健", "サトウ ケン", "");
        for name in [
            "健 佐藤",
            "健佐藤",
            "佐藤健（担当）",
            "（担当）佐藤 健",
            "佐藤健【総務",
            "（佐藤 健）",
            "佐藤・健",
            "佐藤，健",
            "佐\u{200b}藤\u{feff}健",
            "けん・さとう",
            "ｹﾝ ｻﾄｳ (担当)",
        ] {
            assert_eq!(own.like(&told(name, "", "")), Some(Likeness::Name), "{name}");
            assert_eq!(told(name, "", "").like(&own), Some(Likeness::Name), "{name}");
        }
        for name in ["佐藤 健一", "佐藤", "（健）佐藤", "加藤 健", "・（）"] {
            assert_eq!(own.like(&told(name, "", "")), None, "{name}");
        }
    }

    #[test]
    fn variant_characters_and_politeness_make_no_other_name() {
        for (own, others) in [
            (
                "高橋　誠",
                &["髙橋 誠", "高橋誠様", "高橋 誠 氏", "髙橋誠 先生（担当）", "誠 髙橋 殿"][..],
            ),
            ("斎藤 眞", &["齋藤 真", "斉藤眞さん", "齊藤\u{e0101} 眞"]),
            ("渡邉 さゆり", &["渡辺 さゆり", "渡邊さゆりさん"]),
            ("濵﨑 國廣", &["浜崎 国広 御中"]),
            ("髙橋 誠", &["高橋 誠"]),
        ] {
            let own = told(own, "", "");
            for other in others {
                let other = told(other, "", "");
                assert_eq!(own.like(&other), Some(Likeness::Name), "{own:?} {other:?}");
                assert_eq!(other.like(&own), Some(Likeness::Name), "{own:?} {other:?}");
            }
        }
        // An honorific within a name, other characters that sound alike, a name that is longer.
        let own = told("高橋 誠", "タカハシ マコト", "");
        for other in ["高橋 真", "高橋 氏誠", "様 高橋", "高梁 誠", "高橋 誠一氏", "氏 様"]
        {
            assert_eq!(own.like(&told(other, "", "")), None, "{other}");
        }
    }

    #[test]
    fn what_nobody_told_is_like_nothing() {
        assert_eq!(told("", "", "").like(&told("", "", "")), None);
    }
}
