use std::{collections::BTreeSet, sync::Arc};

use sekisho_authz::{CompiledRules, Rules};
use sekisho_wire::acr;

use super::super::*;
use crate::{
    catalogue::Catalogue,
    entitlement::Entitlements,
    oidc::client::{ServiceFile, released_in_vain},
};

fn texts() -> [Text; 2] {
    let catalogue = Arc::new(Catalogue::load().unwrap());
    Lang::ALL.map(|lang| Text::new(Arc::clone(&catalogue), lang))
}

#[test]
fn every_file_reads_and_they_are_the_demonstrations_17_in_their_order() {
    for file in FILES {
        toml::from_str::<UseCase>(file).unwrap();
    }
    let names: Vec<String> = all().iter().map(|case| case.name(Lang::Ja)).collect();
    assert_eq!(
        names,
        [
            "① 地域医療連携ネットワーク間連携",
            "② HPKI認証",
            "③ 医療等IDの利用",
            "④ レセプトオンライン請求",
            "⑤ オンライン資格確認",
            "⑥ 電子紹介状",
            "⑦ 電子処方箋",
            "⑧ セキュアメール",
            "⑨ 地域医療介護連携",
            "⑩ 遠隔診断支援",
            "⑪ 災害・救急時における医療情報等の活用",
            "⑫ インターネット接続（文献検索等）",
            "⑬ 医療等情報データベース",
            "⑭ 医療等情報の二次利用・分析",
            "⑮ EHR・PHR連携",
            "⑯ リモートメンテナンス",
            "⑰ 民間クラウドサービス",
        ]
    );
    for (position, case) in all().iter().enumerate() {
        assert_eq!(usize::from(case.number), position + 1);
    }
}

#[test]
fn every_rule_compiles_in_the_vocabulary_of_the_instance() {
    let entitlements = Entitlements::new();
    for case in all() {
        CompiledRules::compile(case.rules(), entitlements.vocabulary())
            .unwrap_or_else(|error| panic!("{}: {error}", case.symbol()));
    }
}

#[test]
fn each_stakeholder_of_a_case_has_a_rule_and_each_rule_is_for_one_of_them_alone() {
    for case in all() {
        let named: BTreeSet<_> = case.stakeholders.iter().copied().collect();
        let ruled: BTreeSet<_> =
            case.proposals.iter().map(|proposal| proposal.stakeholder).collect();
        assert_eq!(named, ruled, "{}", case.symbol());
        assert_eq!(named.len(), case.stakeholders.len(), "{} names one twice", case.symbol());
        for Proposal { stakeholder, rule, .. } in &case.proposals {
            let at = format!("{} {}", case.symbol(), rule.id);
            assert_eq!(rule.patients, *stakeholder == Stakeholder::Patient, "{at}");
            assert_eq!(rule.kinds.is_none(), rule.patients, "{at}");
            assert!(rule.membership, "{at}: a rule for strangers");
            let theirs = |kind: &String| stakeholder.kinds().iter().any(|own| own.as_str() == kind);
            assert!(rule.kinds.iter().flatten().all(theirs), "{at}: a kind of another stakeholder");
        }
    }
}

#[test]
fn whatever_the_demonstrations_table_does_not_say_is_marked_as_assumed() {
    for case in all() {
        for Proposal { stakeholder, assumed, rule, .. } in &case.proposals {
            let at = format!("{} {}", case.symbol(), rule.id);
            let narrower =
                rule.kinds.as_ref().is_some_and(|kinds| kinds.len() < stakeholder.kinds().len());
            assert_eq!(assumed.contains(&Assumption::Kinds), narrower, "{at}");
            assert_eq!(assumed.contains(&Assumption::Roles), rule.roles.is_some(), "{at}");
            assert_eq!(assumed.contains(&Assumption::Emergency), rule.emergency, "{at}");
            // ② has the level in its name.
            assert_eq!(assumed.contains(&Assumption::Level), case.number != 2, "{at}");
            let level = rule.minimum_acr.as_deref().unwrap();
            assert_ne!(level, acr::PASSWORD_AT_FACILITY, "{at}: one factor of the person's alone");
        }
    }
}

#[test]
fn the_text_of_a_case_is_its_rules_and_a_comment_for_each_in_both_languages() {
    for text in texts() {
        for case in all() {
            let file = case.file(&text).unwrap();
            assert_eq!(toml::from_str::<Rules>(&file).unwrap(), case.rules(), "{file}");
            for said in [case.title.of(text.lang()), case.description.of(text.lang())] {
                assert!(file.contains(said), "{said} is not in {file}");
            }
            for proposal in &case.proposals {
                let (before, _) =
                    file.split_once(&format!("[[rules]]\nid = \"{}\"", proposal.rule.id)).unwrap();
                let comment = before.rsplit("\n\n").next().unwrap();
                assert!(
                    comment.starts_with(&format!("# {}", proposal.because(&text))),
                    "{comment}"
                );
                assert_eq!(proposal.assumed(&text).is_none(), case.number == 2);
                let marked = proposal.assumed(&text).unwrap_or_default();
                assert!(comment.contains(&marked), "{marked} is not in {comment}");
            }
        }
    }
}

#[test]
fn the_text_of_a_case_ends_a_services_file() {
    let page = include_str!("../../../../docs/services.md");
    let example = page.split("```").nth(1).unwrap().strip_prefix("toml").unwrap();
    let (head, _) = example.split_once("[[rules]]").unwrap();
    let [text, _] = texts();
    for case in all() {
        let whole = format!("{head}\n{}", case.file(&text).unwrap());
        toml::from_str::<ServiceFile>(&whole).unwrap_or_else(|error| panic!("{whole}: {error}"));
    }
}

#[test]
fn a_service_begins_with_its_own_organisation_and_hears_what_it_is_not_told() {
    let [text, _] = texts();
    let own = |kind| ("123456789007".to_owned(), kind);
    let scopes = ["openid".to_owned(), "facility".to_owned()];
    let written = |case: &UseCase, own: Option<&(String, OrganisationKind)>| {
        let file = case.file_for(&scopes, own, &text).unwrap();
        (toml::from_str::<Rules>(&file).unwrap().rules, file)
    };
    for case in all() {
        let (all, file) = written(case, None);
        assert!(all.iter().all(|rule| rule.facilities.is_none()));
        let elsewhere = case.proposals.iter().filter(|proposal| {
            ![Stakeholder::MedicalInstitution, Stakeholder::Patient].contains(&proposal.stakeholder)
        });
        let hint = "どの組織の職員も通します";
        assert_eq!(file.matches(hint).count(), elsewhere.count(), "{file}");
        let lacks = case.scopes().contains(&"hc_role");
        assert_eq!(
            file.contains("承認されていないため渡しません") && file.contains("hc_role"),
            lacks
        );
        let (provider, file) = written(case, Some(&own(OrganisationKind::ServiceProvider)));
        for (rule, proposal) in provider.iter().zip(&case.proposals) {
            let of_it = proposal.stakeholder == Stakeholder::ServiceProvider;
            assert_eq!(rule.facilities.is_some(), of_it, "{file}");
        }
        // A hospital that offers a service does not shut out the others.
        let (hospital, _) = written(case, Some(&own(OrganisationKind::Hospital)));
        assert_eq!(hospital, all);
    }
}

#[test]
fn nothing_is_released_in_vain_whatever_the_services_scopes() {
    let owned =
        |scopes: &[&str]| scopes.iter().map(|scope| (*scope).to_owned()).collect::<Vec<_>>();
    for case in all() {
        let needed = owned(&case.scopes());
        assert!(released_in_vain(&needed, &case.rules()).is_empty(), "{}", case.symbol());
        assert_eq!(case.within(&needed).rules(), case.rules());
        for few in [&["openid"][..], &["openid", "facility"], &["openid", "profile", "hc_role"]] {
            let narrowed = case.within(&owned(few)).rules();
            assert!(released_in_vain(&owned(few), &narrowed).is_empty());
            let missing = needed.iter().any(|scope| !few.contains(&scope.as_str()));
            assert_eq!(narrowed != case.rules(), missing, "{} {few:?}", case.symbol());
        }
    }
}

#[test]
fn a_case_is_chosen_by_its_number_and_by_nothing_else() {
    for (text, number) in [("1", 1), ("17", 17), ("⑦", 7)] {
        assert_eq!(text.parse::<Chosen>().unwrap().0.number, number);
    }
    for text in ["0", "18", "07", "-1", "", "⑱", "①②", "seven"] {
        assert_eq!(text.parse::<Chosen>().unwrap_err(), NoSuchCase(text.to_owned()));
    }
    assert!(Chosen::try_from(0).is_err() && Chosen::try_from(18).is_err());
}

/// What `docs/use-cases.md` has to say of the files: who takes part, and what each rule asks for.
fn documented() -> String {
    let [ja, en] = texts();
    let mut page = String::from("| use case |");
    for stakeholder in Stakeholder::ALL {
        page += &format!(" {} {} |", stakeholder.name(&ja), stakeholder.name(&en));
    }
    page += &format!("\n|---|{}\n", ":-:|".repeat(Stakeholder::ALL.len()));
    for case in all() {
        page += &format!("| {} {} |", case.name(Lang::Ja), case.title.en);
        for stakeholder in Stakeholder::ALL {
            page += if case.stakeholders.contains(&stakeholder) { " ○ |" } else { " |" };
        }
        page += "\n";
    }
    page += "\n| | rule | for | of these professions | proven by | why | assumed |\n|---|---|---|---|---|---|---|\n";
    for case in all() {
        for proposal in &case.proposals {
            let rule = &proposal.rule;
            let listed = |set: &Option<BTreeSet<String>>, or: &str| match set {
                Some(set) => set.iter().cloned().collect::<Vec<_>>().join(", "),
                None => or.to_owned(),
            };
            let assumed: Vec<_> = proposal
                .assumed
                .iter()
                .map(|assumption| format!("{assumption:?}").to_lowercase())
                .collect();
            page += &format!(
                "| {} | `{}` | {} | {} | {} | {} | {} |\n",
                case.symbol(),
                rule.id,
                listed(&rule.kinds, "patients"),
                listed(&rule.roles, if rule.patients { "" } else { "any, even none" }),
                crate::entitlement::proof_name(rule, &en),
                proposal.because.en,
                assumed.join(", ")
            );
        }
    }
    page
}

#[test]
fn the_page_of_the_use_cases_says_what_the_files_say() {
    let page = include_str!("../../../../docs/use-cases.md");
    let documented = documented();
    let missing: Vec<_> = documented.lines().filter(|line| !page.contains(line)).collect();
    assert!(page.contains(&documented), "not as in docs/use-cases.md:\n{}", missing.join("\n"));
}
