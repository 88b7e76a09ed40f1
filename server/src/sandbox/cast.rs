//! Who lives in the sandbox. Every name is an evident invention: 見本 is what forms are filled with.

/// Somebody invented.
#[derive(Clone, Copy, Debug)]
pub struct Invented {
    /// Name of the card's folder.
    pub card: &'static str,
    /// In kanji.
    pub name: &'static str,
    /// In katakana.
    pub kana: &'static str,
    /// In Latin letters, as the certificate's subject has it.
    pub romaji: &'static str,
    /// hcRole, verbatim.
    pub role: &'static str,
    /// subject serialNumber.
    pub serial_number: &'static str,
}

/// PIN of every card. It protects nothing: whoever gets a card gets it, too.
pub const PIN: &str = "1234";
/// Password for signatures of the My Number card, which protects as little.
pub const PASSWORD: &str = "ABC123";

/// The test facility's name, in words and in katakana.
pub const FACILITY: (&str, &str) =
    ("サービス試験用の施設（実在しません）", "サービスシケンヨウノシセツ（ジツザイシマセン）");

/// Everybody, in the order in which they are made.
pub const PEOPLE: [Invented; 8] = [
    Invented {
        card: "physician",
        name: "見本　太郎",
        kana: "ミホン　タロウ",
        romaji: "MIHON TARO",
        role: "Medical Doctor",
        serial_number: "SANDBOX001",
    },
    Invented {
        card: "pharmacist",
        name: "見本　花子",
        kana: "ミホン　ハナコ",
        romaji: "MIHON HANAKO",
        role: "Pharmacist",
        serial_number: "SANDBOX002",
    },
    Invented {
        card: "nurse",
        name: "見本　さくら",
        kana: "ミホン　サクラ",
        romaji: "MIHON SAKURA",
        role: "General Nurse",
        serial_number: "SANDBOX003",
    },
    Invented {
        card: "dentist",
        name: "見本　次郎",
        kana: "ミホン　ジロウ",
        romaji: "MIHON JIRO",
        role: "Dentist",
        serial_number: "SANDBOX004",
    },
    Invented {
        card: "second-physician",
        name: "見本　三郎",
        kana: "ミホン　サブロウ",
        romaji: "MIHON SABURO",
        role: "Medical Doctor",
        serial_number: "SANDBOX005",
    },
    Invented {
        card: "midwife",
        name: "見本　もも",
        kana: "ミホン　モモ",
        romaji: "MIHON MOMO",
        role: "Midwife",
        serial_number: "SANDBOX006",
    },
    Invented {
        card: "radiographer",
        name: "見本　四郎",
        kana: "ミホン　シロウ",
        romaji: "MIHON SHIRO",
        role: "Radiological Technologist",
        serial_number: "SANDBOX007",
    },
    Invented {
        card: "technologist",
        name: "見本　うめ",
        kana: "ミホン　ウメ",
        romaji: "MIHON UME",
        role: "Medical Technologist",
        serial_number: "SANDBOX008",
    },
];
