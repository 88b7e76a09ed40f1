//! Style sheets, scripts and pictures, served under a name that changes with their content.

use std::collections::BTreeMap;

use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use http::{HeaderValue, StatusCode, header};
use sha2::{Digest, Sha256};

use crate::{app::App, form::PathId};

#[derive(rust_embed::RustEmbed)]
#[folder = "assets/"]
struct Files;

/// All assets of the program.
#[derive(Debug)]
pub struct Assets {
    /// From the file's name to the path under which it is served.
    paths: BTreeMap<String, String>,
    /// From the last segment of that path to the content.
    contents: BTreeMap<String, Asset>,
}

#[derive(Debug)]
struct Asset {
    bytes: Vec<u8>,
    content_type: HeaderValue,
}

impl Assets {
    /// Reads and hashes what is built in.
    #[must_use]
    pub fn load() -> Self {
        let mut assets = Self { paths: BTreeMap::new(), contents: BTreeMap::new() };
        for name in Files::iter() {
            let Some(file) = Files::get(&name) else { continue };
            let bytes = file.data.into_owned();
            let digest = hex::encode(&Sha256::digest(&bytes)[..8]);
            let (stem, extension) = name.rsplit_once('.').unwrap_or((&name, ""));
            let segment = format!("{stem}.{digest}.{extension}");
            assets.paths.insert(name.to_string(), format!("/assets/{segment}"));
            assets.contents.insert(segment, Asset { bytes, content_type: content_type(extension) });
        }
        assets
    }

    /// The path of the asset `name`; an unknown name gives a path that answers 404.
    #[must_use]
    pub fn path(&self, name: &str) -> &str {
        self.paths.get(name).map_or("/assets/missing", String::as_str)
    }
}

fn content_type(extension: &str) -> HeaderValue {
    HeaderValue::from_static(match extension {
        "css" => "text/css; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "ico" => "image/x-icon",
        _ => "application/octet-stream",
    })
}

/// `GET /assets/{segment}`.
pub async fn serve(State(app): State<App>, PathId(segment): PathId) -> Response {
    let Some(asset) = app.assets().contents.get(&segment) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    (
        [
            (header::CONTENT_TYPE, asset.content_type.clone()),
            // The name holds the content's hash: what it names never changes.
            (
                header::CACHE_CONTROL,
                HeaderValue::from_static("public, max-age=31536000, immutable"),
            ),
        ],
        asset.bytes.clone(),
    )
        .into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_style_sheet_has_a_path_that_holds_its_hash() {
        let assets = Assets::load();
        let path = assets.path("sekisho.css");
        let segment = path.strip_prefix("/assets/").unwrap();
        assert!(segment.starts_with("sekisho.") && segment.ends_with(".css"));
        let digest = hex::encode(&Sha256::digest(&assets.contents[segment].bytes)[..8]);
        assert!(segment.contains(&digest));
    }
}
