//! A browser's part of the walk, without a browser: cookies, redirects, forms, and the facility
//! certificate in TLS. It sees nothing that a browser would not see.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
};

use anyhow::{Context, bail};
use reqwest::{
    Certificate, Client, Identity, Method, StatusCode,
    cookie::{CookieStore, Jar},
    header,
};
use serde::Serialize;
use url::Url;

/// Where the demonstration's names lead: this machine, at the ports that `serve` took.
#[derive(Clone, Debug)]
pub struct Resolution {
    /// Names of the instance and of the sample services.
    pub hosts: Vec<String>,
}

/// One person's browser profile.
pub struct Browser {
    client: Client,
    profile: Profile,
}

/// What a browser holds.
struct Profile {
    root_pem: Vec<u8>,
    identity_pem: Option<Vec<u8>>,
    hosts: Vec<String>,
    cookies: Arc<Jar>,
}

impl Profile {
    /// A client that is led to this address under every host.
    fn client(&self, address: Ipv4Addr) -> anyhow::Result<Client> {
        let mut builder = Client::builder()
            .tls_certs_only([Certificate::from_pem(&self.root_pem)?])
            .cookie_provider(Arc::clone(&self.cookies))
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(std::time::Duration::from_secs(30));
        if let Some(pem) = &self.identity_pem {
            builder = builder.identity(Identity::from_pem(pem)?);
        }
        for host in &self.hosts {
            // Port 0: the address's own port is used.
            builder = builder.resolve_to_addrs(host, &[SocketAddr::from((address, 0))]);
        }
        Ok(builder.build()?)
    }
}

/// A page or another answer, read to its end.
#[derive(Debug)]
pub struct Answer {
    /// Address that answered, after redirects.
    pub url: Url,
    /// Status code.
    pub status: StatusCode,
    /// `Location`, when the answer is a redirect that was not followed.
    pub location: Option<String>,
    /// Body as text.
    pub body: String,
}

impl Answer {
    /// The answer itself, if its status is 2xx.
    ///
    /// # Errors
    /// With status, address and the page's heading otherwise.
    pub fn expect_success(self) -> anyhow::Result<Self> {
        if self.status.is_success() {
            return Ok(self);
        }
        bail!("{} answered {}: {}", self.url, self.status, self.summary());
    }

    /// Refusals are part of the walk: the answer itself, if its status is 4xx.
    ///
    /// # Errors
    /// When the server let it pass, or broke.
    pub fn expect_refusal(self) -> anyhow::Result<Self> {
        if self.status.is_client_error() {
            return Ok(self);
        }
        bail!("{} answered {} where a refusal was due: {}", self.url, self.status, self.summary());
    }

    /// As [`Self::expect_refusal`], for the reason whose words hold `mark`.
    ///
    /// # Errors
    /// When it was let pass, or refused for another reason.
    pub fn expect_refusal_for(self, mark: &str) -> anyhow::Result<Self> {
        let refused = self.expect_refusal()?;
        if refused.body.contains(mark) {
            return Ok(refused);
        }
        bail!("{} refused for another reason than {mark}: {}", refused.url, refused.summary());
    }

    /// The first heading, or the beginning of the text.
    #[must_use]
    pub fn summary(&self) -> String {
        element_text(&self.body, "<h1").unwrap_or_else(|| self.body.chars().take(300).collect())
    }

    /// Text of the element with this `id`.
    ///
    /// # Errors
    /// When the page has none.
    pub fn text_of(&self, id: &str) -> anyhow::Result<String> {
        element_text(&self.body, &format!("id=\"{id}\"")).with_context(|| {
            format!("{} shows no element with id {id}: {}", self.url, self.summary())
        })
    }

    /// Value of the input with this `name`.
    ///
    /// # Errors
    /// When the page has none.
    pub fn value_of(&self, name: &str) -> anyhow::Result<String> {
        let mark = format!("name=\"{name}\"");
        self.body
            .split("<input")
            .skip(1)
            .filter_map(|rest| rest.split('>').next())
            .find(|tag| tag.contains(&mark))
            .and_then(|tag| tag.split_once("value=\"")?.1.split('"').next())
            .map(decode)
            .with_context(|| format!("{} has no field {name}: {}", self.url, self.summary()))
    }

    /// The first link or form address that begins with `prefix`.
    ///
    /// # Errors
    /// When the page has none.
    pub fn address_beginning(&self, prefix: &str) -> anyhow::Result<String> {
        ["href=\"", "action=\""]
            .iter()
            .flat_map(|attribute| self.body.split(*attribute).skip(1))
            .filter_map(|rest| rest.split('"').next())
            .find(|address| address.starts_with(prefix))
            .map(decode)
            .with_context(|| {
                format!("{} links to nothing under {prefix}: {}", self.url, self.summary())
            })
    }

    /// Where the elements of this name have what they show or run, in the order of the page.
    #[must_use]
    pub fn sources_of(&self, element: &str) -> Vec<String> {
        let begin = format!("<{element} ");
        let tags = self.body.split(&begin).skip(1).filter_map(|rest| rest.split('>').next());
        let sources = tags.filter_map(|tag| tag.split_once("src=\"")?.1.split('"').next());
        sources.map(decode).collect()
    }
}

/// Text between the end of the tag that contains `mark` and the next tag, entities decoded.
fn element_text(html: &str, mark: &str) -> Option<String> {
    let after = html.split_once(mark)?.1.split_once('>')?.1;
    Some(decode(after.split_once('<')?.0.trim()))
}

/// Entities as the templates write them.
fn decode(text: &str) -> String {
    let mut decoded = text.to_owned();
    for (entity, character) in [
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&quot;", "\""),
        ("&#34;", "\""),
        ("&#60;", "<"),
        ("&#62;", ">"),
        ("&#39;", "'"),
        ("&#x27;", "'"),
        ("&#38;", "&"),
        ("&amp;", "&"),
    ] {
        decoded = decoded.replace(entity, character);
    }
    decoded
}

impl Browser {
    /// A fresh profile that trusts `root_pem` and, at a terminal, holds `identity_pem`
    /// (certificate chain and PKCS #8 key).
    ///
    /// # Errors
    /// When the certificate or key does not read.
    pub fn new(
        root_pem: &[u8],
        identity_pem: Option<&[u8]>,
        resolution: &Resolution,
    ) -> anyhow::Result<Self> {
        let profile = Profile {
            root_pem: root_pem.to_owned(),
            identity_pem: identity_pem.map(<[u8]>::to_vec),
            hosts: resolution.hosts.clone(),
            cookies: Arc::default(),
        };
        Ok(Self { client: profile.client(Ipv4Addr::LOCALHOST)?, profile })
    }

    /// The same profile, cookies included, as the names' resolution leads it to another address:
    /// several processes of one instance stand behind one name.
    ///
    /// # Errors
    /// When the certificate or key does not read.
    pub fn led_to(&self, address: Ipv4Addr) -> anyhow::Result<Self> {
        let Profile { root_pem, identity_pem, hosts, cookies } = &self.profile;
        let profile = Profile {
            root_pem: root_pem.clone(),
            identity_pem: identity_pem.clone(),
            hosts: hosts.clone(),
            cookies: Arc::clone(cookies),
        };
        Ok(Self { client: profile.client(address)?, profile })
    }

    /// Name and value of each cookie that this profile sends to an address.
    ///
    /// # Errors
    /// When the address does not read.
    pub fn cookies(&self, url: &str) -> anyhow::Result<Vec<(String, String)>> {
        let sent = self.profile.cookies.cookies(&Url::parse(url)?);
        let sent = sent.as_ref().map(|value| value.to_str()).transpose()?.unwrap_or_default();
        let pairs = sent.split("; ").filter_map(|pair| pair.split_once('='));
        Ok(pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
    }

    /// Opens an address and follows redirects as a browser does.
    ///
    /// # Errors
    /// When nothing answers, or redirects never end.
    pub async fn open(&self, url: &str) -> anyhow::Result<Answer> {
        let answer = self.send(self.request(Method::GET, url)).await?;
        self.follow(answer).await
    }

    /// Opens an address and stays at its first answer.
    ///
    /// # Errors
    /// When nothing answers.
    pub async fn open_once(&self, url: &str) -> anyhow::Result<Answer> {
        self.send(self.request(Method::GET, url)).await
    }

    /// Submits a form and follows redirects.
    ///
    /// # Errors
    /// When nothing answers, or redirects never end.
    pub async fn submit(&self, url: &str, fields: &[(&str, &str)]) -> anyhow::Result<Answer> {
        let request =
            self.request(Method::POST, url).header(header::ORIGIN, origin(url)?).form(fields);
        let answer = self.send(request).await?;
        self.follow(answer).await
    }

    /// What a page's script sends to its own origin.
    ///
    /// # Errors
    /// When nothing answers.
    pub async fn post_json(&self, url: &str, body: &impl Serialize) -> anyhow::Result<Answer> {
        self.send(
            self.request(Method::POST, url)
                .header(header::ORIGIN, origin(url)?)
                .header("Sec-Fetch-Site", "same-origin")
                .header("Sec-Fetch-Mode", "cors")
                .header("Sec-Fetch-Dest", "empty")
                .json(body),
        )
        .await
    }

    /// The client itself, for requests that a page's script makes elsewhere.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.client
    }

    fn request(&self, method: Method, url: &str) -> reqwest::RequestBuilder {
        self.client.request(method, url).header(header::ACCEPT_LANGUAGE, "ja")
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> anyhow::Result<Answer> {
        let response = request.send().await?;
        let location = response
            .headers()
            .get(header::LOCATION)
            .map(|value| value.to_str().map(str::to_owned))
            .transpose()?;
        Ok(Answer {
            url: response.url().clone(),
            status: response.status(),
            location,
            body: response.text().await?,
        })
    }

    async fn follow(&self, mut answer: Answer) -> anyhow::Result<Answer> {
        for _ in 0..10 {
            if !answer.status.is_redirection() {
                return Ok(answer);
            }
            let location = answer.location.as_deref().context("a redirect without Location")?;
            let next = answer.url.join(location)?;
            answer = self.send(self.request(Method::GET, next.as_str())).await?;
        }
        bail!("{} redirects without end", answer.url)
    }
}

fn origin(url: &str) -> anyhow::Result<String> {
    Ok(Url::parse(url)?.origin().ascii_serialization())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(body: &str) -> Answer {
        Answer {
            url: Url::parse("https://a.example/").unwrap(),
            status: StatusCode::OK,
            location: None,
            body: body.to_owned(),
        }
    }

    #[test]
    fn an_elements_text_is_found_by_its_id_and_decoded() {
        let page = answer("<p class=\"x\" id=\"code\"> A&amp;B </p>");
        assert_eq!(page.text_of("code").unwrap(), "A&B");
        assert!(page.text_of("other").is_err());
    }

    #[test]
    fn what_frames_and_scripts_load_is_listed_in_order() {
        let page =
            answer("<iframe class=\"u\" src=\"https://a/?x&#38;y\"></iframe><iframe src=\"b\">");
        assert_eq!(page.sources_of("iframe"), ["https://a/?x&y", "b"]);
        assert!(page.sources_of("script").is_empty());
    }

    #[test]
    fn a_link_is_found_by_its_beginning() {
        let page = answer("<a href=\"/x\">x</a><form action=\"/y/1?a&amp;b&#38;c\">");
        assert_eq!(page.address_beginning("/y/").unwrap(), "/y/1?a&b&c");
    }
}
