//! The policy as an administrative template (ADMX with its words in ADML): what a hospital's
//! administrator puts into the domain's central store, and then switches on for a group of PCs.
//!
//! Edge's and Chrome's makers have templates of all their policies, into which one would have to copy
//! JSON by hand. This one knows the values: the switch is all that is left.

use serde_json::Value;

use super::registry_file::lists;
use super::{BROWSER_KEYS, explanation};
use crate::terminal::policy::explanation::Language;

/// The name of the files, before their ending.
const NAME: &str = "sekisho";

/// The files, each by its path below the folder `PolicyDefinitions`.
pub fn template(policy: &Value) -> Vec<(String, String)> {
    let mut files = vec![(format!("{NAME}.admx"), admx(policy))];
    for (folder, language) in [("ja-JP", Language::Ja), ("en-US", Language::En)] {
        files.push((format!("{folder}/{NAME}.adml"), adml(policy, language)));
    }
    files
}

/// Microsoft, "Group Policy ADMX syntax reference guide".
fn admx(policy: &Value) -> String {
    let mut policies = String::new();
    for (index, (_, key)) in BROWSER_KEYS.iter().enumerate() {
        let items = |value: fn(&str) -> String| -> String {
            let item = |(name, values): (&str, Vec<(usize, &str)>)| -> String {
                let one = |(number, text): &(usize, &str)| {
                    let value = value(text);
                    format!(
                        "        <item key=\"{key}\\{name}\" valueName=\"{number}\">\n          \
                         <value>{value}</value>\n        </item>\n"
                    )
                };
                values.iter().map(one).collect()
            };
            lists(policy).map(item).collect()
        };
        let (on, off) = (
            items(|text| format!("<string>{}</string>", escape(text))),
            items(|_| "<delete />".into()),
        );
        policies.push_str(&format!(
            "    <policy name=\"Browser{index}\" class=\"Machine\" \
             displayName=\"$(string.Browser{index})\" explainText=\"$(string.Explanation)\" \
             key=\"{key}\">\n      <parentCategory ref=\"Sekisho\" />\n      \
             <supportedOn ref=\"Supported\" />\n      <enabledList>\n{on}      </enabledList>\n      \
             <disabledList>\n{off}      </disabledList>\n    </policy>\n"
        ));
    }
    format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n\
         <policyDefinitions xmlns=\"http://schemas.microsoft.com/GroupPolicy/2006/07/PolicyDefinitions\" \
         revision=\"1.0\" schemaVersion=\"1.0\">\n  \
         <policyNamespaces>\n    \
         <target prefix=\"sekisho\" namespace=\"Sekisho.Policies.CardLogin\" />\n  \
         </policyNamespaces>\n  \
         <resources minRequiredRevision=\"1.0\" />\n  \
         <supportedOn>\n    <definitions>\n      \
         <definition name=\"Supported\" displayName=\"$(string.Supported)\" />\n    \
         </definitions>\n  </supportedOn>\n  \
         <categories>\n    <category name=\"Sekisho\" displayName=\"$(string.Sekisho)\" />\n  \
         </categories>\n  <policies>\n{policies}  </policies>\n</policyDefinitions>\n"
    )
}

fn adml(policy: &Value, language: Language) -> String {
    let (category, supported, login) = match language {
        Language::Ja => ("Sekisho カードログイン", "Windows 10 以降", "カードログインを許可する"),
        Language::En => ("Sekisho card login", "Windows 10 and later", "allow card logins"),
    };
    let mut strings = vec![
        ("Sekisho".to_owned(), category.to_owned()),
        ("Supported".to_owned(), supported.to_owned()),
        ("Explanation".to_owned(), explanation::explanation(policy, language)),
    ];
    for (index, (browser, _)) in BROWSER_KEYS.iter().enumerate() {
        strings.push((format!("Browser{index}"), format!("{browser}: {login}")));
    }
    let strings: String = strings
        .iter()
        .map(|(id, text)| format!("      <string id=\"{id}\">{}</string>\n", escape(text)))
        .collect();
    format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n\
         <policyDefinitionResources xmlns=\"http://schemas.microsoft.com/GroupPolicy/2006/07/PolicyDefinitions\" \
         revision=\"1.0\" schemaVersion=\"1.0\">\n  \
         <displayName>{category}</displayName>\n  <description>{category}</description>\n  \
         <resources>\n    <stringTable>\n{strings}    </stringTable>\n  </resources>\n\
         </policyDefinitionResources>\n"
    )
}

/// Text of an element (XML 1.0 §2.4).
fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
