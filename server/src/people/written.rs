//! One name, written as different people write it: variant characters, and what politeness adds.
//!
//! Only what a judgement of likeness leans on; nothing that is stored or shown is changed by it.

/// Characters of names, each with the everyday one that stands for it.
///
/// First the old forms that the list of characters for general use puts in brackets beside the new
/// ones (常用漢字表, Cabinet notice 2 of 2010), as far as names have them; then forms that it does not
/// list but that people, registers and keyboards exchange for the everyday one. 斎 and 斉 are two
/// characters by that list; in the family name they are exchanged all the same, and so stand here.
const VARIANTS: &[(&str, char)] = &[
    ("亞", '亜'),
    ("圓", '円'),
    ("應", '応'),
    ("櫻", '桜'),
    ("學", '学'),
    ("嶽", '岳'),
    ("關", '関'),
    ("惠", '恵'),
    ("藝", '芸'),
    ("縣", '県'),
    ("顯", '顕'),
    ("廣", '広'),
    ("國圀", '国'),
    ("黑", '黒'),
    ("齊齋斎", '斉'),
    ("濟", '済'),
    ("實", '実'),
    ("壽", '寿'),
    ("澁", '渋'),
    ("將", '将'),
    ("條", '条'),
    ("乘", '乗'),
    ("淨", '浄'),
    ("眞", '真'),
    ("靜", '静'),
    ("瀨", '瀬'),
    ("淺", '浅'),
    ("莊", '荘'),
    ("總", '総'),
    ("增", '増'),
    ("藏", '蔵'),
    ("續", '続'),
    ("瀧", '滝'),
    ("澤", '沢'),
    ("鐵", '鉄'),
    ("稻", '稲'),
    ("德", '徳'),
    ("邊邉", '辺'),
    ("寬", '寛'),
    ("濱濵", '浜'),
    ("豐", '豊'),
    ("萬", '万'),
    ("彌", '弥'),
    ("與", '与'),
    ("龍", '竜'),
    ("禮", '礼'),
    ("榮", '栄'),
    ("衞", '衛'),
    // Not in that list.
    ("髙", '高'),
    ("﨑嵜", '崎'),
    ("嶋嶌", '島'),
    ("峯", '峰'),
    ("冨", '富'),
    ("舘", '館'),
    ("曻", '昇'),
    ("遙", '遥'),
    ("巖", '巌'),
    ("檜", '桧'),
    ("槇", '槙'),
    ("埜", '野'),
    ("栁", '柳'),
    ("桒", '桑'),
    ("靏", '鶴'),
    ("𠮷", '吉'),
];

/// What a letter or a form puts behind a name. In kanji or hiragana only: in katakana they are the
/// ends of many names.
const HONORIFICS: [&str; 7] = ["様", "氏", "殿", "先生", "御中", "さん", "さま"];

/// The everyday character for a variant; any other character is itself.
pub fn everyday(c: char) -> char {
    let found = VARIANTS.iter().find(|(variants, _)| variants.contains(c));
    found.map_or(c, |(_, everyday)| *everyday)
}

/// A name without what politeness puts behind it. A name that is nothing else stays.
pub fn without_honorific(name: &str) -> &str {
    std::iter::successors(Some(name), |name| shorter(name)).last().unwrap_or(name)
}

fn shorter(name: &str) -> Option<&str> {
    let left = HONORIFICS.iter().find_map(|honorific| name.strip_suffix(honorific));
    left.filter(|left| !left.is_empty())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use unicode_normalization::UnicodeNormalization;

    use super::*;

    #[test]
    fn each_variant_stands_once_and_leads_to_a_character_that_is_none() {
        let mut seen = BTreeSet::new();
        for (variants, to) in VARIANTS {
            assert_eq!(everyday(*to), *to, "{to}");
            for variant in variants.chars() {
                assert!(seen.insert(variant), "{variant} stands twice");
                assert_eq!(everyday(variant), *to);
                // Else it would never be met: names are compared in NFKC.
                assert!(variant.nfkc().eq([variant]), "{variant}");
            }
        }
    }

    #[test]
    fn only_what_stands_behind_a_name_is_taken_for_politeness() {
        for written in ["高橋誠様", "高橋誠氏", "高橋誠先生様", "高橋誠さん", "高橋誠"]
        {
            assert_eq!(without_honorific(written), "高橋誠", "{written}");
        }
        for name in ["様", "先生", "氏家誠", "殿村", "サトウジョウサン"] {
            assert_eq!(without_honorific(name), name);
        }
    }
}
