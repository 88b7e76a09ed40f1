//! Files of tests: what is read, what is refused and where, and that a register written and read is the same.

use sekisho_store::{
    Store, StoreError,
    audit::{Actor, Audited, Entry},
    router_model::{self, Description, Door, RouterModel},
    router_test::{self, Judged, Proof, RouterTest, Source},
    transaction,
};
use time::{Duration, OffsetDateTime, macros::datetime};

use super::{
    FileError, MOST_OCTETS, SHIPPED, Wrong,
    certifying::{Asked, Refusal, day_after, first_of_day},
    file, keeping,
    keeping::{Imported, Tally},
    writing,
};
use crate::testing;

const NOW: OffsetDateTime = datetime!(2026-11-24 09:00 UTC);

/// Two models and a run of two results; lines are counted below.
const GOOD: &str = r#"format = "sekisho-router-tests"
version = 1

[[model]]
key = "a"
maker = "日本ルーター株式会社"
model = "=HYPERLINK(\"http://evil.example\")"
firmware = "Rev.10"
firmware_to = "Rev.12"
family = "router_yamaha_rtx"
doors = ["scep", "est"]
note = "10GbE"

[[model]]
key = "b"
maker = "B"
model = "B"
firmware = "1"
family = "router"
doors = []

[[run]]
source = "bench"
tested_by = "試験室 東京"
tested_at = "2026-11-23T09:00:00+09:00"
judged = "packet"
results = [
    { opens = "a", awaits = "b", proof = "p256", succeeded = true },
    { opens = "b", awaits = "a", proof = "psk", succeeded = false, reason = "提案が合わない" },
]
"#;

fn read(text: &str) -> Result<file::TestFile, FileError> {
    file::read(text.as_bytes(), NOW)
}

/// The shipped file, which was made before it is read, whenever that is.
fn shipped() -> file::TestFile {
    file::read(SHIPPED.as_bytes(), OffsetDateTime::now_utc()).unwrap()
}

/// The good file with one part replaced by another.
fn but(part: &str, other: &str) -> String {
    assert!(GOOD.contains(part), "{part}");
    GOOD.replacen(part, other, 1)
}

#[test]
fn a_file_is_read_with_what_makers_call_their_products() {
    let file = read(GOOD).unwrap();
    assert_eq!(
        file.models[0].is,
        Description {
            maker: "日本ルーター株式会社".to_owned(),
            model: "=HYPERLINK(\"http://evil.example\")".to_owned(),
            firmware: "Rev.10".to_owned(),
            firmware_to: "Rev.12".to_owned(),
            family: "router_yamaha_rtx".to_owned(),
            doors: vec![Door::Est, Door::Scep],
            note: "10GbE".to_owned(),
        }
    );
    let [one, other] = &file.results[..] else { panic!("{:?}", file.results) };
    assert_eq!((one.opens, one.awaits, one.proof, &one.failure), (0, 1, Proof::P256, &None));
    assert_eq!((one.judged, one.source), (Judged::Packet, Source::Bench));
    assert_eq!(one.tested_at, datetime!(2026-11-23 00:00 UTC));
    assert_eq!(other.failure.as_deref(), Some("提案が合わない"));
}

#[test]
fn what_does_not_fit_is_told_with_its_line() {
    let long = "あ".repeat(81);
    for (part, other, line, reason) in [
        ("sekisho-router-tests", "sekisho-rules", 1, "format"),
        ("version = 1", "version = 2\nnew_key = 1", 2, "version"),
        ("version = 1", "version = \"1\"", 2, "shape"),
        ("version = 1", "", 1, "shape"),
        ("key = \"a\"", "kye = \"a\"", 5, "shape"),
        ("firmware = \"Rev.10\"", "firmware = 10", 8, "shape"),
        ("doors = [\"scep\", \"est\"]", "doors = \"est\"", 11, "shape"),
        ("succeeded = true", "succeeded = \"yes\"", 28, "shape"),
        ("[[model]]\nkey = \"b\"", "[model]\nkey = \"b\"", 14, "shape"),
        ("router_yamaha_rtx", "terminal", 10, "word"),
        ("router_yamaha_rtx", "router_nobody", 10, "word"),
        ("[\"scep\", \"est\"]", "[\"scep\", \"ssh\"]", 11, "word"),
        ("[\"scep\", \"est\"]", "[\"scep\", \"scep\"]", 11, "door_twice"),
        ("source = \"bench\"", "source = \"hearsay\"", 23, "word"),
        ("judged = \"packet\"", "judged = \"looks\"", 26, "word"),
        ("proof = \"p256\"", "proof = \"md5\"", 28, "word"),
        ("2026-11-23T09:00:00+09:00", "2026-11-23", 25, "time"),
        ("2026-11-23T09:00:00+09:00", "2026-11-25T00:00:00Z", 25, "future"),
        ("key = \"b\"", "key = \"a\"", 15, "key_twice"),
        ("awaits = \"b\"", "awaits = \"c\"", 28, "no_model"),
        (", reason = \"提案が合わない\"", "", 29, "reason_missing"),
        ("succeeded = true", "succeeded = true, reason = \"x\"", 28, "reason_of_success"),
        ("reason = \"提案が合わない\"", "reason = \" \"", 29, "line"),
        ("日本ルーター株式会社", &long, 6, "line"),
        ("日本ルーター株式会社", "日本\u{202e}ルーター", 6, "line"),
        ("日本ルーター株式会社", "", 6, "line"),
        ("試験室 東京", "", 24, "line"),
        (
            "opens = \"b\", awaits = \"a\", proof = \"psk\"",
            "opens = \"a\", awaits = \"b\", proof = \"p256\"",
            29,
            "result_twice",
        ),
    ] {
        let refused = read(&but(part, other)).unwrap_err();
        assert_eq!((refused.line, refused.wrong.as_str()), (line, reason), "{other}: {refused}");
    }
    let twice = GOOD.replace("maker = \"B\"\nmodel = \"B\"\nfirmware = \"1\"", "maker = \"日本ルーター株式会社\"\nmodel = \"=HYPERLINK(\\\"http://evil.example\\\")\"\nfirmware = \"Rev.10\"\nfirmware_to = \"Rev.12\"");
    assert_eq!(read(&twice).unwrap_err().wrong, Wrong::ModelTwice);
    let nothing = "format = \"sekisho-router-tests\"\nversion = 1\n";
    assert_eq!(read(nothing).unwrap_err().wrong, Wrong::Empty);
    assert_eq!(read("").unwrap_err().wrong, Wrong::Format);
    for hostile in ["[", "\u{0}", "format = ", "a = 1\na = 2"] {
        assert_eq!(read(hostile).unwrap_err().wrong.as_str(), "shape", "{hostile:?}");
    }
    let broken = file::read(b"format = \"x\"\n\xff\xfe", NOW).unwrap_err();
    assert_eq!((broken.line, broken.wrong), (2, Wrong::NotText));
    let huge = "#".repeat(MOST_OCTETS + 1);
    assert_eq!(read(&huge).unwrap_err().wrong, Wrong::TooLarge(MOST_OCTETS));
    let deep = format!("format = {}", "[".repeat(100_000));
    assert_eq!(read(&deep).unwrap_err().wrong.as_str(), "shape");
}

#[test]
fn more_than_a_file_takes_is_told_before_it_is_looked_at() {
    let model = |number: usize| {
        format!(
            "[[model]]\nkey = \"k{number}\"\nmaker = \"M\"\nmodel = \"{number}\"\nfirmware = \"1\"\nfamily = \"router\"\ndoors = []\n"
        )
    };
    let head = "format = \"sekisho-router-tests\"\nversion = 1\n";
    let models: String = (0..501).map(model).collect();
    let refused = read(&format!("{head}{models}")).unwrap_err();
    assert_eq!(refused.wrong, Wrong::TooManyModels(500));
    let result = "{ opens = \"k0\", awaits = \"k0\", proof = \"psk\", succeeded = true },\n";
    let run = "[[run]]\nsource = \"bench\"\ntested_by = \"x\"\ntested_at = \"2026-11-23T09:00:00Z\"\njudged = \"packet\"\nresults = [\n";
    let file = format!("{head}{}{run}{}]\n", model(0), result.repeat(20_001));
    assert_eq!(read(&file).unwrap_err().wrong, Wrong::TooManyResults(20_000));
}

async fn import(store: &Store, text: &str) -> Result<Imported, FileError> {
    take(store, &read(text)?).await
}

async fn take(store: &Store, file: &file::TestFile) -> Result<Imported, FileError> {
    let entry = || Entry::done("test", Actor::System, NOW);
    transaction!(store, StoreError, |tx| {
        Ok(Audited::new(keeping::keep(tx, file, "p", NOW).await?, entry()))
    })
    .unwrap()
}

async fn register(store: &Store) -> (Vec<RouterModel>, Vec<RouterTest>) {
    let mut reader = store.read();
    (
        router_model::all(&mut reader, 9_999).await.unwrap(),
        router_test::all(&mut reader, 9_999).await.unwrap(),
    )
}

#[tokio::test]
async fn the_same_file_again_changes_nothing_and_another_description_is_taken() {
    let test = testing::app().await;
    let store = test.app.store();
    let first = import(store, GOOD).await.unwrap();
    let tally = |entered, changed, same| Tally { entered, changed, same };
    assert_eq!((first.models, first.results), (tally(2, 0, 0), tally(2, 0, 0)));
    let before = register(store).await;
    let again = import(store, GOOD).await.unwrap();
    assert_eq!((again.models, again.results), (tally(0, 0, 2), tally(0, 0, 2)));
    assert_eq!(register(store).await, before);
    let noted = import(store, &but("10GbE", "1GbE")).await.unwrap();
    assert_eq!((noted.models, noted.results), (tally(0, 1, 1), tally(0, 0, 2)));
}

#[tokio::test]
async fn a_result_that_contradicts_the_register_takes_the_whole_file_with_it() {
    let test = testing::app().await;
    let store = test.app.store();
    import(store, GOOD).await.unwrap();
    let before = register(store).await;
    // A new model stands before the result that is refused.
    let hostile = but("succeeded = true", "succeeded = false, reason = \"x\"")
        .replace("firmware = \"1\"\n", "firmware = \"1\"\nnote = \"n\"\n");
    let refused = import(store, &hostile).await.unwrap_err();
    assert_eq!((refused.line, refused.wrong), (29, Wrong::Contradicts));
    assert_eq!(register(store).await, before);
    let later = hostile.replace("2026-11-23T09", "2026-11-24T09");
    assert_eq!(import(store, &later).await.unwrap().results.entered, 2);
}

#[tokio::test]
async fn what_is_written_reads_back_into_another_register() {
    let (one, other) = (testing::app().await, testing::app().await);
    for file in [read(GOOD).unwrap(), shipped()] {
        take(one.app.store(), &file).await.unwrap();
    }
    let (models, tests) = register(one.app.store()).await;
    let written = writing::write(&models, &tests);
    let back = file::read(written.as_bytes(), OffsetDateTime::now_utc()).unwrap();
    take(other.app.store(), &back).await.unwrap();
    let (copied, copied_tests) = register(other.app.store()).await;
    let described =
        |models: &[RouterModel]| models.iter().map(|model| model.is.clone()).collect::<Vec<_>>();
    assert_eq!(described(&copied), described(&models));
    assert_eq!(writing::write(&copied, &copied_tests), written);
    assert_eq!(copied_tests.len(), tests.len());
    // Names without a letter of ASCII have keys, too, and unlike ones.
    let nameless = |id: &str, maker: &str| RouterModel {
        id: id.to_owned(),
        is: Description {
            maker: maker.to_owned(),
            model: "関所".to_owned(),
            firmware: "一".to_owned(),
            ..models[0].is.clone()
        },
    };
    let written = writing::write(&[nameless("1", "甲"), nameless("2", "乙\"\\")], &[]);
    let read = read(&written).unwrap();
    let keys: Vec<&str> = read.models.iter().map(|model| model.key.as_str()).collect();
    assert_eq!(keys, ["model", "model-2"]);
    assert_eq!(read.models[1].is.maker, "乙\"\\");
}

/// The table of docs/routers.md, row by row: opener, proof, the others with what came of it.
fn documented() -> Vec<(String, String, String, Option<String>)> {
    let text = include_str!("../../../../docs/routers.md");
    let (_, table) = text.split_once("| opens \\ awaits | proof |").unwrap();
    let mut lines = table.lines();
    let cells = |line: &str| {
        line.trim()
            .trim_matches('|')
            .split('|')
            .map(|cell| cell.trim().to_owned())
            .collect::<Vec<_>>()
    };
    let awaiting = cells(lines.next().unwrap());
    let mut found = Vec::new();
    for row in lines.skip(1).take_while(|line| line.starts_with('|')).map(cells) {
        for (awaits, said) in awaiting.iter().zip(&row[2..]) {
            let failure = said.strip_prefix("no: ").map(str::to_owned);
            assert!(failure.is_some() || said == "IKE_AUTH", "{said}");
            found.push((row[0].clone(), awaits.clone(), row[1].clone(), failure));
        }
    }
    found
}

#[test]
fn the_shipped_file_says_what_the_documented_matrix_says() {
    let file = shipped();
    let name = |at: usize| {
        let is = &file.models[at].is;
        format!("{} {}", is.model.to_lowercase(), is.versions())
    };
    let mut shipped: Vec<_> = file
        .results
        .iter()
        .map(|seen| {
            let proof = seen.proof.as_str().to_owned();
            (name(seen.opens), name(seen.awaits), proof, seen.failure.clone())
        })
        .collect();
    let mut documented = documented();
    shipped.sort();
    documented.sort();
    assert_eq!(documented.len(), 45);
    assert_eq!(shipped, documented);
    assert!(
        file.results
            .iter()
            .all(|seen| seen.source == Source::Matrix && seen.judged == Judged::IkeAuth)
    );
}

#[tokio::test]
async fn a_model_is_certified_for_what_was_seen_and_for_a_time() {
    let test = testing::app().await;
    let store = test.app.store();
    import(store, GOOD).await.unwrap();
    let model = register(store).await.0.remove(1);
    let decide = |proof: Proof, valid: Option<(OffsetDateTime, OffsetDateTime)>| {
        let asked = Asked { model_id: model.id.clone(), proof, valid, reason: "理由".to_owned() };
        async move {
            transaction!(store, StoreError, |tx| {
                let decided = asked.decide(tx, "p", NOW).await?;
                Ok(Audited::new(decided, Entry::done("test", Actor::System, NOW)))
            })
            .unwrap()
        }
    };
    let day = Duration::DAY;
    let year = Some((NOW, NOW + day * 365));
    for (proof, valid, refusal) in [
        (Proof::HpkiLike, year, Refusal::Proof),
        // A test by it failed, and none was made.
        (Proof::Psk, year, Refusal::NotTested),
        (Proof::Rsa3072, year, Refusal::NotTested),
        (Proof::P256, Some((NOW, NOW)), Refusal::Over),
        (Proof::P256, Some((NOW - day * 9, NOW - day)), Refusal::Over),
        (Proof::P256, Some((NOW, NOW + day * 1831)), Refusal::TooLong),
        (Proof::P256, None, Refusal::NotCertified),
    ] {
        assert_eq!(decide(proof, valid).await, Some(refusal), "{proof:?} {valid:?}");
    }
    assert_eq!(decide(Proof::P256, year).await, None);
    assert_eq!(decide(Proof::P256, None).await, None);
    assert_eq!(decide(Proof::P256, None).await, Some(Refusal::NotCertified), "taken back once");
    assert_eq!(decide(Proof::P256, year).await, None, "certified anew");
}

#[test]
fn days_are_those_of_japan() {
    assert_eq!(first_of_day("2027-04-01"), Ok(datetime!(2027-03-31 15:00 UTC)));
    assert_eq!(day_after("2027-04-01"), Ok(datetime!(2027-04-01 15:00 UTC)));
    for wrong in ["", "2027-4-1", "2027-02-29", "2027-04-01T00:00", "令和9年4月1日", "9999-12-31x"]
    {
        assert!(first_of_day(wrong).is_err(), "{wrong}");
    }
    assert!(day_after("9999-12-31").is_err());
}
