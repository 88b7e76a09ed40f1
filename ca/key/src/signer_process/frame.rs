//! Frames on a byte stream: a length in four octets, the most significant first, then so many.

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// The longest request. A revocation list of 600,000 entries has about 25 MB.
pub const MOST_REQUEST_OCTETS: usize = 64 * 1024 * 1024;
/// The longest answer: a thousand signatures by RSA-4096 keys are half of it.
pub const MOST_ANSWER_OCTETS: usize = 1024 * 1024;

/// Why there is no frame.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// It announced more than is taken. Nothing of it was read.
    #[error("a frame of {announced} octets, at most {most} are taken")]
    TooLong {
        /// As announced.
        announced: usize,
        /// What is taken.
        most: usize,
    },
    /// The stream ended within a frame.
    #[error("the stream ended within a frame")]
    Truncated,
    /// The stream.
    #[error("the stream failed")]
    Stream(#[from] std::io::Error),
}

/// Reads one frame of at most `most` octets; `None` where the stream ends between two.
///
/// Memory is taken as octets arrive, not as they are announced.
///
/// # Errors
/// [`FrameError`]; the stream is of no use then.
pub async fn read<R: AsyncRead + Unpin>(
    stream: &mut R,
    most: usize,
) -> Result<Option<Vec<u8>>, FrameError> {
    let mut length = [0; 4];
    let first = stream.read(&mut length).await?;
    if first == 0 {
        return Ok(None);
    }
    stream.read_exact(&mut length[first..]).await.map_err(ended)?;
    let announced = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
    if announced > most {
        return Err(FrameError::TooLong { announced, most });
    }
    let mut octets = Vec::new();
    let read = stream.take(announced as u64).read_to_end(&mut octets).await?;
    if read == announced { Ok(Some(octets)) } else { Err(FrameError::Truncated) }
}

/// Writes one frame.
///
/// # Errors
/// [`FrameError::Stream`]; [`FrameError::TooLong`] for what four octets cannot announce.
pub async fn write<W: AsyncWrite + Unpin>(stream: &mut W, octets: &[u8]) -> Result<(), FrameError> {
    let most = u32::MAX as usize;
    let length = u32::try_from(octets.len())
        .map_err(|_| FrameError::TooLong { announced: octets.len(), most })?;
    stream.write_all(&length.to_be_bytes()).await?;
    stream.write_all(octets).await?;
    Ok(stream.flush().await?)
}

fn ended(error: std::io::Error) -> FrameError {
    match error.kind() {
        std::io::ErrorKind::UnexpectedEof => FrameError::Truncated,
        _ => FrameError::Stream(error),
    }
}
