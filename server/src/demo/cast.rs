//! Who appears in the demonstration. All of it is invented; the institution codes have valid check
//! digits but belong to nobody.

/// A facility that applies.
#[derive(Clone, Copy, Debug)]
pub struct Facility {
    /// Short name in reports and folder names.
    pub key: &'static str,
    /// Kind of organisation, as the application form sends it.
    pub kind: &'static str,
    /// The same in words.
    pub kind_name: &'static str,
    /// Name.
    pub name: &'static str,
    /// Name in katakana.
    pub kana: &'static str,
    /// 医療機関コード.
    pub code: &'static str,
    /// JIS X 0401 number of the prefecture.
    pub prefecture: &'static str,
    /// Postal code.
    pub postal_code: &'static str,
    /// Address.
    pub address: &'static str,
    /// Login name of its administrator.
    pub administrator: &'static str,
    /// Name of its administrator.
    pub administrator_name: &'static str,
    /// The same in katakana.
    pub administrator_kana: &'static str,
    /// Name of its first PC.
    pub terminal: &'static str,
}

/// The three facilities.
pub const FACILITIES: [Facility; 3] = [
    Facility {
        key: "hospital",
        kind: "hospital",
        kind_name: "病院",
        name: "青葉総合病院",
        kana: "アオバソウゴウビョウイン",
        code: "1311000010",
        prefecture: "13",
        postal_code: "100-0001",
        address: "東京都千代田区千代田1-1",
        administrator: "aoba-admin",
        administrator_name: "中村　直樹",
        administrator_kana: "ナカムラ　ナオキ",
        terminal: "外来1号機",
    },
    Facility {
        key: "clinic",
        kind: "clinic",
        kind_name: "医科診療所",
        name: "みなと内科クリニック",
        kana: "ミナトナイカクリニック",
        code: "1412345009",
        prefecture: "14",
        postal_code: "231-0001",
        address: "神奈川県横浜市中区新港1-1",
        administrator: "minato-admin",
        administrator_name: "小林　恵",
        administrator_kana: "コバヤシ　メグミ",
        terminal: "診察室1",
    },
    Facility {
        key: "pharmacy",
        kind: "pharmacy",
        kind_name: "薬局",
        name: "さくら薬局",
        kana: "サクラヤッキョク",
        code: "1341240016",
        prefecture: "13",
        postal_code: "100-0002",
        address: "東京都千代田区皇居外苑1-1",
        administrator: "sakura-admin",
        administrator_name: "加藤　誠",
        administrator_kana: "カトウ　マコト",
        terminal: "受付PC",
    },
];

/// Somebody with an HPKI card.
#[derive(Clone, Copy, Debug)]
pub struct CardHolder {
    /// Short name in reports and folder names.
    pub key: &'static str,
    /// Name in kanji.
    pub name: &'static str,
    /// Name in katakana.
    pub kana: &'static str,
    /// Name in Latin letters, as the certificate's subject has it.
    pub romaji: &'static str,
    /// hcRole, verbatim.
    pub role: &'static str,
    /// subject serialNumber.
    pub serial_number: &'static str,
    /// Index of the facility that invites this person.
    pub facility: usize,
}

/// PIN of every card: whoever sits down at a PC of the demonstration need not look up whose it is.
pub const PIN: &str = "1234";

/// The four people with a card.
pub const CARD_HOLDERS: [CardHolder; 4] = [
    CardHolder {
        key: "yamada",
        name: "山田　太郎",
        kana: "ヤマダ　タロウ",
        romaji: "YAMADA TARO",
        role: "Medical Doctor",
        serial_number: "TEST000001",
        facility: 0,
    },
    CardHolder {
        key: "tanaka",
        name: "田中　美咲",
        kana: "タナカ　ミサキ",
        romaji: "TANAKA MISAKI",
        role: "General Nurse",
        serial_number: "TEST000002",
        facility: 0,
    },
    CardHolder {
        key: "suzuki",
        name: "鈴木　一郎",
        kana: "スズキ　イチロウ",
        romaji: "SUZUKI ICHIRO",
        role: "Medical Doctor",
        serial_number: "TEST000003",
        facility: 1,
    },
    CardHolder {
        key: "sato",
        name: "佐藤　花子",
        kana: "サトウ　ハナコ",
        romaji: "SATO HANAKO",
        role: "Pharmacist",
        serial_number: "TEST000004",
        facility: 2,
    },
];
