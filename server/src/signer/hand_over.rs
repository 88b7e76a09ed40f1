//! The token changes hands when the keys are moved: its keys stay in it, its PIN and place go from
//! the instance's folder and configuration into the signing process's.

use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::{
    settings::Settings,
    split::{SplitError, at, wipe},
};
use crate::{
    config::{TokenPlace, TokenSettings},
    instance::{CaToken, Folder},
};

/// A token that is the instance's still, or the signing process's already.
pub(super) struct HandOver {
    place: TokenPlace,
    /// The instance's PIN file, if the token is the instance's still.
    from: Option<PathBuf>,
    /// The signing process's.
    to: PathBuf,
    /// What `signer.toml` has to say.
    settings: TokenSettings,
}

impl HandOver {
    /// `None`: there is no token.
    ///
    /// # Errors
    /// [`SplitError::OtherToken`], [`SplitError::Signer`].
    pub(super) fn of(
        instance: Option<&TokenPlace>,
        signer: &Path,
    ) -> Result<Option<Self>, SplitError> {
        let file = Settings::path(signer);
        let written = if file.exists() {
            let settings = Settings::read(signer)?;
            settings.validate(signer, None)?.token.map(|place| (place, settings.token))
        } else {
            None
        };
        Ok(match (instance, written) {
            (None, None) => None,
            (None, Some((place, settings))) => {
                Some(Self { to: place.pin_file.clone(), place, from: None, settings })
            }
            (Some(ours), Some((theirs, _)))
                if (&ours.module, &ours.label) != (&theirs.module, &theirs.label) =>
            {
                return Err(SplitError::OtherToken { path: file, found: theirs.label });
            }
            (Some(ours), written) => {
                let (to, settings) = written.map_or_else(
                    || {
                        let settings = TokenSettings {
                            module: ours.module.display().to_string(),
                            label: ours.label.clone(),
                            ..TokenSettings::default()
                        };
                        (signer.join(&settings.pin_file), settings)
                    },
                    |(theirs, settings)| (theirs.pin_file, settings),
                );
                let mut place = ours.clone();
                // A call that was stopped had moved it.
                if !place.pin_file.exists() {
                    place.pin_file.clone_from(&to);
                }
                Some(Self { place, from: Some(ours.pin_file.clone()), to, settings })
            }
        })
    }

    /// The token, under the PIN of whoever has it.
    pub(super) fn token(&self) -> CaToken {
        CaToken::new(self.place.clone())
    }

    /// Copies the PIN.
    ///
    /// # Errors
    /// A file.
    pub(super) fn copy_pin(&self) -> Result<(), SplitError> {
        if let Some(from) = self.from.as_ref().filter(|from| from.exists()) {
            let pin = Zeroizing::new(std::fs::read(from).map_err(at(from))?);
            Folder::replace(&self.to, &pin)?;
        }
        Ok(())
    }

    /// What `signer.toml` has to say.
    pub(super) fn settings(&self) -> &TokenSettings {
        &self.settings
    }

    /// Overwrites and removes the copied PIN file in the instance's folder, also after a call that was
    /// stopped. One of another name, which could be anything, is answered: whoever put it there
    /// removes it.
    ///
    /// # Errors
    /// A file.
    pub(super) fn wipe_pin(&self, instance: &Path) -> Result<Option<PathBuf>, SplitError> {
        let own = instance.join(TokenSettings::default().pin_file);
        let read = |path: &Path| std::fs::read(path).map(Zeroizing::new).map_err(at(path));
        if own.exists() && *read(&own)? == *read(&self.to)? {
            wipe(&own).map_err(at(&own))?;
        }
        Ok(self.from.clone().filter(|from| from.exists()))
    }
}
