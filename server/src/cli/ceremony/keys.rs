//! `sekisho ceremony keys PLAN`.

use sekisho_key::SystemRandomness;
use sekisho_output::say;

use super::{super::language::LanguageChoice, Exit, Failure, Named, grouped, named};
use crate::ceremony::{PlanFolder, Secrets, make_keys};

/// Make the keys of a plan that are not there yet, and the public half of each
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  sekisho ceremony keys plan.toml --secret root=root-passphrase")]
pub(super) struct Keys {
    /// The plan; keys lie beside it
    #[arg(value_name = "PLAN")]
    plan: Named<named::File>,
    /// What opens a key: its name in the plan, and a file whose first line is the passphrase or PIN
    #[arg(long, value_name = "NAME=FILE", value_parser = named::secret)]
    secret: Vec<String>,
    #[command(flatten)]
    lang: LanguageChoice,
}

impl Keys {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        let text = self.lang.text()?;
        let folder = PlanFolder::open(&self.plan)?;
        let made = make_keys(&folder, &Secrets::read(&self.secret)?, &SystemRandomness)?;
        let mut out = String::new();
        for key in made {
            let arguments = [("name", key.name.clone()), ("sha256", grouped(&key.sha256))];
            out += &if key.is_new {
                text.with("ceremony-key-made", &arguments)
            } else {
                text.with("ceremony-key-there", &arguments)
            };
            out.push('\n');
        }
        out += &text.t1("ceremony-keys-next", "plan", self.plan.display());
        out.push('\n');
        say(&out)?;
        Ok(Exit::Done)
    }
}
