//! The 47 prefectures (都道府県), numbered as in JIS X 0401.

use crate::catalogue::Lang;

/// How many there are; numbers run from 1.
pub const COUNT: u8 = 47;

const NAMES: [(&str, &str); COUNT as usize] = [
    ("北海道", "Hokkaido"),
    ("青森県", "Aomori"),
    ("岩手県", "Iwate"),
    ("宮城県", "Miyagi"),
    ("秋田県", "Akita"),
    ("山形県", "Yamagata"),
    ("福島県", "Fukushima"),
    ("茨城県", "Ibaraki"),
    ("栃木県", "Tochigi"),
    ("群馬県", "Gunma"),
    ("埼玉県", "Saitama"),
    ("千葉県", "Chiba"),
    ("東京都", "Tokyo"),
    ("神奈川県", "Kanagawa"),
    ("新潟県", "Niigata"),
    ("富山県", "Toyama"),
    ("石川県", "Ishikawa"),
    ("福井県", "Fukui"),
    ("山梨県", "Yamanashi"),
    ("長野県", "Nagano"),
    ("岐阜県", "Gifu"),
    ("静岡県", "Shizuoka"),
    ("愛知県", "Aichi"),
    ("三重県", "Mie"),
    ("滋賀県", "Shiga"),
    ("京都府", "Kyoto"),
    ("大阪府", "Osaka"),
    ("兵庫県", "Hyogo"),
    ("奈良県", "Nara"),
    ("和歌山県", "Wakayama"),
    ("鳥取県", "Tottori"),
    ("島根県", "Shimane"),
    ("岡山県", "Okayama"),
    ("広島県", "Hiroshima"),
    ("山口県", "Yamaguchi"),
    ("徳島県", "Tokushima"),
    ("香川県", "Kagawa"),
    ("愛媛県", "Ehime"),
    ("高知県", "Kochi"),
    ("福岡県", "Fukuoka"),
    ("佐賀県", "Saga"),
    ("長崎県", "Nagasaki"),
    ("熊本県", "Kumamoto"),
    ("大分県", "Oita"),
    ("宮崎県", "Miyazaki"),
    ("鹿児島県", "Kagoshima"),
    ("沖縄県", "Okinawa"),
];

/// The name of a prefecture; empty for a number that none has.
#[must_use]
pub fn name(number: u8, lang: Lang) -> &'static str {
    let index = usize::from(number).wrapping_sub(1);
    NAMES.get(index).map_or("", |(ja, en)| match lang {
        Lang::Ja => ja,
        Lang::En => en,
    })
}

/// Reads a number, 1 to 47, with or without a leading zero.
#[must_use]
pub fn parse(text: &str) -> Option<u8> {
    text.parse().ok().filter(|number| (1..=COUNT).contains(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_follow_the_standard() {
        assert_eq!(name(1, Lang::Ja), "北海道");
        assert_eq!(name(13, Lang::Ja), "東京都");
        assert_eq!(name(47, Lang::En), "Okinawa");
        assert_eq!((name(0, Lang::Ja), name(48, Lang::Ja)), ("", ""));
        assert_eq!(
            (parse("01"), parse("47"), parse("0"), parse("48")),
            (Some(1), Some(47), None, None)
        );
    }
}
