//! `OP_MSG`: one document each way.

use dbreg::mongodb::bson::Document;
use std::io;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

const OP_MSG: i32 = 2013;
/// The driver sends far smaller ones here.
const LONGEST: usize = 1 << 20;

/// The next command with the number that its reply names; `None` when the client is gone.
pub(crate) async fn read(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<(i32, Document)>> {
    let mut header = [0; 16];
    if stream.read(&mut header[..1]).await? == 0 {
        return Ok(None);
    }
    stream.read_exact(&mut header[1..]).await?;
    let number = |at: usize| i32::from_le_bytes(header[at..at + 4].try_into().expect("four bytes"));
    assert_eq!(number(12), OP_MSG, "the driver speaks nothing else");
    let length = usize::try_from(number(0)).expect("a length");
    assert!((21..=LONGEST).contains(&length), "{length}");
    let mut body = vec![0; length - 16];
    stream.read_exact(&mut body).await?;
    assert_eq!(
        body[4], 0,
        "the first section is the command; documents behind it are not looked at"
    );
    let command = Document::from_reader(&body[5..]).expect("a document");
    Ok(Some((number(4), command)))
}

/// Sends the reply to the command with this number.
pub(crate) async fn write(
    stream: &mut (impl AsyncWrite + Unpin),
    to: i32,
    reply: &Document,
) -> io::Result<()> {
    let mut bytes = Vec::new();
    reply.to_writer(&mut bytes).expect("a document");
    let length = i32::try_from(bytes.len() + 21).expect("a short reply");
    let mut message = Vec::new();
    for number in [length, 1, to, OP_MSG, 0] {
        message.extend_from_slice(&number.to_le_bytes());
    }
    message.push(0);
    message.extend_from_slice(&bytes);
    stream.write_all(&message).await
}
