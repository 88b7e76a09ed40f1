//! OCSP answers signed before they are asked for again.
//!
//! A third into its time, an answer that somebody asked for is signed anew, from a status that is
//! read anew; the old one is given out until then, and until half time at the latest. So a client
//! that sends no nonce waits for a signature only for the first answer about a certificate, and for
//! the one after its status changed.

use super::ocsp::{AnswerError, sign};
use crate::app::App;

/// Signatures of one turn. With a turn every five seconds it is a thousand a second, about a sixth
/// of one processor; what is beyond that is signed when it is asked for.
const MOST_AT_ONCE: usize = 5_000;

/// Signs anew what is due; answers how many.
///
/// # Errors
/// [`AnswerError`]: the other answers are not renewed in this turn.
pub async fn renew_due(app: &App) -> Result<usize, AnswerError> {
    let responders = app.authority().ocsp();
    let mut renewed = 0;
    for certificate_id in app.ocsp().take_due(app.now(), MOST_AT_ONCE) {
        // Without a responder of this issuer, nobody's question is understood that way any more.
        if let Ok(question) = responders.question_about(&certificate_id) {
            sign(app, &question).await?;
            renewed += 1;
        }
    }
    Ok(renewed)
}
