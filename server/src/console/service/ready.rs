//! Ready configurations of a service, filled in with its own values: what its owner puts into files
//! and runs. `tests/tests/relying_parties` logs people in with these very texts.

use askama::Template;
use sekisho_store::service::{AuthMethod, Service};
use url::Url;

use crate::{
    jose::Algorithm,
    oidc::client::{GrantType, Metadata},
};

/// The text of one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ready {
    /// The element that holds it on the page.
    pub id: &'static str,
    /// The software that reads it.
    pub software: &'static str,
    /// How the file is called.
    pub file: &'static str,
    /// What it holds.
    pub text: String,
}

/// Why there are none for a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotReady {
    /// People do not log in to it.
    NoLogin,
    /// It proves itself by a key or a certificate, or is held to more than OpenID Connect demands: what
    /// it runs has to know where its keys lie.
    OwnKeys,
    /// An address holds characters that files of configuration read in their own ways.
    Address,
}

/// Where the provider is, as services reach it.
#[derive(Debug, Clone, Copy)]
pub struct Provider<'a> {
    /// Its origin.
    pub issuer: &'a str,
    /// Host name of that.
    pub host: &'a str,
    /// Host name, with the port where it is not the usual one.
    pub authority: &'a str,
}

/// What the texts are filled in with. Each value is held by [`is_plain`] or is of our own making.
struct Values<'a> {
    provider: Provider<'a>,
    client_id: &'a str,
    method: &'static str,
    has_secret: bool,
    redirect_uri: &'a str,
    redirect_path: String,
    logout_uri: Option<&'a str>,
    backchannel_logout_uri: Option<&'a str>,
    scope: String,
    scope_with_commas: String,
    algorithm: &'static str,
    refreshes: bool,
}

/// A template for each file, with the values under `v`.
macro_rules! texts {
    ($($name:ident = $path:literal),+ $(,)?) => {$(
        #[derive(Template)]
        #[template(path = $path, escape = "none")]
        struct $name<'a> {
            v: &'a Values<'a>,
        }
    )+};
}

texts! {
    ModAuthOpenidc = "ready/mod_auth_openidc.conf",
    Nginx = "ready/nginx.conf",
    OpenidClient = "ready/openid-client.mjs",
    SpringProperties = "ready/spring.yaml",
    SpringLogin = "ready/SsoLogin.java",
    Authlib = "ready/authlib.py",
}

/// The configurations for a service; the ones that suit it, or why there are none.
///
/// # Errors
/// A template that does not render.
pub fn all(
    provider: Provider<'_>,
    service: &Service,
    metadata: &Metadata,
) -> Result<Result<Vec<Ready>, NotReady>, askama::Error> {
    let values = match Values::of(provider, service, metadata) {
        Ok(values) => values,
        Err(reason) => return Ok(Err(reason)),
    };
    let v = &values;
    let mut found = Vec::new();
    let mut add = |id, software, file, text: Result<String, askama::Error>| {
        text.map(|text| found.push(Ready { id, software, file, text }))
    };
    if metadata.forward_auth {
        add("ready-nginx", "nginx", "sso.conf", Nginx { v }.render())?;
        return Ok(Ok(found));
    }
    let text = ModAuthOpenidc { v }.render();
    if v.has_secret {
        add("ready-mod-auth-openidc", "Apache, mod_auth_openidc", "sso.conf", text)?;
    }
    add("ready-openid-client", "Node.js, openid-client", "sso.mjs", OpenidClient { v }.render())?;
    let spring = "Java, Spring Security";
    add("ready-spring", spring, "application.yaml", SpringProperties { v }.render())?;
    add("ready-spring-login", spring, "SsoLogin.java", SpringLogin { v }.render())?;
    add("ready-authlib", "Python, Authlib", "sso.py", Authlib { v }.render())?;
    Ok(Ok(found))
}

impl<'a> Values<'a> {
    fn of(
        provider: Provider<'a>,
        service: &'a Service,
        metadata: &Metadata,
    ) -> Result<Self, NotReady> {
        let redirect_uri = service.redirect_uris.first().ok_or(NotReady::NoLogin)?;
        if !metadata.grant_types.contains(&GrantType::AuthorizationCode) {
            return Err(NotReady::NoLogin);
        }
        let by_secret = service.auth_method.has_secret();
        let plain = (by_secret || service.auth_method == AuthMethod::None)
            && !metadata.profile.is_fapi2()
            && !metadata.is_sender_constrained()
            && !metadata.requires_pushed_requests()
            && !metadata.require_signed_request_object
            && metadata.userinfo_signed_response_alg.is_none();
        if !plain {
            return Err(NotReady::OwnKeys);
        }
        let logout_uri = service.logout_uris.first().map(String::as_str);
        let backchannel_logout_uri = service.backchannel_logout_uri.as_deref();
        let addresses = [Some(redirect_uri.as_str()), logout_uri, backchannel_logout_uri];
        if !addresses.into_iter().flatten().all(is_plain) {
            return Err(NotReady::Address);
        }
        let redirect_path = Url::parse(redirect_uri).map_err(|_| NotReady::Address)?;
        Ok(Self {
            provider,
            client_id: &service.id,
            method: service.auth_method.as_str(),
            has_secret: by_secret,
            redirect_uri,
            redirect_path: redirect_path.path().to_owned(),
            logout_uri,
            backchannel_logout_uri,
            scope: service.scopes.join(" "),
            scope_with_commas: service.scopes.join(","),
            algorithm: Algorithm::as_str(metadata.id_token_signed_response_alg),
            refreshes: metadata.grant_types.contains(&GrantType::RefreshToken),
        })
    }
}

/// Whether an address means the same in each of the formats, in which `$`, `{`, quotes, `*` and
/// parentheses mean something.
fn is_plain(address: &str) -> bool {
    let fit = |b: u8| b.is_ascii_alphanumeric() || b"-._~:/?&=%+,@[]".contains(&b);
    address.bytes().all(fit)
}

#[cfg(test)]
mod tests {
    use time::OffsetDateTime;

    use super::*;

    fn service() -> Service {
        Service {
            id: "records".into(),
            organisation_id: None,
            name_ja: "記録".into(),
            name_en: "Records".into(),
            description_ja: "記録".into(),
            description_en: "Records".into(),
            home_url: "https://records.example/".into(),
            sector: "records.example".into(),
            auth_method: AuthMethod::ClientSecretBasic,
            secret_hash: Some([7; 32]),
            jwks: None,
            backchannel_logout_uri: Some("https://records.example/out".into()),
            metadata: "{}".into(),
            personal_data: None,
            scopes: vec!["openid".into(), "profile".into()],
            redirect_uris: vec!["https://records.example/.sso/callback".into()],
            logout_uris: vec!["https://records.example/left".into()],
            created_at: OffsetDateTime::UNIX_EPOCH,
            live_at: None,
            withdrawn_at: None,
        }
    }

    fn made(service: &Service, metadata: &Metadata) -> Result<Vec<Ready>, NotReady> {
        let provider = Provider {
            issuer: "https://login.example",
            host: "login.example",
            authority: "login.example",
        };
        all(provider, service, metadata).unwrap()
    }

    #[test]
    fn every_text_holds_the_services_own_values_and_no_secret() {
        let service = service();
        let found = made(&service, &Metadata::default()).unwrap();
        let ids: Vec<_> = found.iter().map(|ready| ready.id).collect();
        let expected = [
            "ready-mod-auth-openidc",
            "ready-openid-client",
            "ready-spring",
            "ready-spring-login",
            "ready-authlib",
        ];
        assert_eq!(ids, expected);
        for ready in &found {
            assert!(ready.text.contains("records"), "{}: {}", ready.id, ready.text);
            if ready.id != "ready-spring-login" {
                for value in ["https://login.example", "https://records.example/.sso/callback"] {
                    assert!(ready.text.contains(value), "{}: {value}", ready.id);
                }
                assert!(ready.text.contains("CLIENT_SECRET"), "{}", ready.id);
            }
            assert!(!ready.text.contains("&#"), "{} is escaped", ready.id);
        }
    }

    #[test]
    fn a_service_without_a_secret_is_told_of_none() {
        let service = Service { auth_method: AuthMethod::None, secret_hash: None, ..service() };
        let found = made(&service, &Metadata::default()).unwrap();
        assert!(found.iter().all(|ready| !ready.text.contains("CLIENT_SECRET")), "{found:#?}");
        assert!(found.iter().all(|ready| ready.id != "ready-mod-auth-openidc"));
    }

    #[test]
    fn whoever_is_behind_a_proxy_gets_its_lines_which_the_documentation_shows() {
        let behind = Metadata { forward_auth: true, ..Metadata::default() };
        let found = made(&service(), &behind).unwrap();
        let [nginx] = &found[..] else { panic!("{found:#?}") };
        assert_eq!(nginx.id, "ready-nginx");
        let shown = include_str!("../../../../docs/forward-auth.md");
        assert!(shown.contains(&format!("```nginx\n{}\n```", nginx.text)), "{}", nginx.text);
    }

    #[test]
    fn there_are_none_for_keys_of_its_own_or_addresses_with_a_meaning_elsewhere() {
        let refused = |change: fn(&mut Service, &mut Metadata)| {
            let (mut service, mut metadata) = (service(), Metadata::default());
            change(&mut service, &mut metadata);
            made(&service, &metadata).unwrap_err()
        };
        let by_key: fn(&mut Service, &mut Metadata) =
            |service, _| service.auth_method = AuthMethod::PrivateKeyJwt;
        assert_eq!(refused(by_key), NotReady::OwnKeys);
        assert_eq!(refused(|_, own| own.dpop_bound_access_tokens = true), NotReady::OwnKeys);
        assert_eq!(refused(|service, _| service.redirect_uris.clear()), NotReady::NoLogin);
        assert_eq!(refused(|_, own| own.grant_types.clear()), NotReady::NoLogin);
        for spoilt in ["https://r.example/${X}", "https://r.example/'x", "https://r.example/?a={b}"]
        {
            let mut service = service();
            service.logout_uris = vec![spoilt.to_owned()];
            assert_eq!(made(&service, &Metadata::default()), Err(NotReady::Address), "{spoilt}");
        }
    }
}
