//! Conversations as JSON.

use std::{borrow::Cow, path::Path};

use serde::{Deserialize, Serialize};

use crate::{Error, ErrorKind, Result, client::file, protocol::Message};

/// The form that is written. A later one will have another number.
const VERSION: u32 = 1;

/// The largest file that is read.
const MAX_BYTES: usize = 256 * 1024 * 1024;

#[derive(Serialize)]
struct Saving<'a> {
    version: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    system: Option<&'a Message>,
    messages: Cow<'a, [Message]>,
}

#[derive(Deserialize)]
pub(super) struct Saved {
    version: u32,
    #[serde(default)]
    pub(super) system: Option<Message>,
    pub(super) messages: Vec<Message>,
}

pub(super) fn to_json(system: Option<&Message>, messages: &[Message]) -> Result<String> {
    let saving = Saving {
        version: VERSION,
        system,
        messages: Cow::Borrowed(messages),
    };
    serde_json::to_string(&saving).map_err(|error| {
        Error::new(
            ErrorKind::InvalidRequest,
            "a message cannot be written as JSON",
        )
        .with_source(error)
    })
}

impl Saved {
    pub(super) fn from_json(json: &str) -> Result<Self> {
        let refuse = |message: String| {
            Error::new(ErrorKind::Decode, message)
                .with_retryable(false)
                .with_suggestion("give what Conversation::to_json or save wrote")
        };
        let saved: Self = serde_json::from_str(json).map_err(|error| {
            let place = format!("line {} column {}", error.line(), error.column());
            refuse(format!("this is no conversation, at {place}")).with_source(error)
        })?;
        if saved.version == VERSION {
            return Ok(saved);
        }
        let version = saved.version;
        Err(refuse(format!(
            "this conversation has the form {version}, and only {VERSION} is known"
        )))
    }
}

pub(super) async fn write(path: &Path, json: String) -> Result<()> {
    file::Save::new(path.to_owned(), json.into()).await
}

pub(super) async fn read(path: &Path) -> Result<String> {
    let bytes = file::read(path.to_owned(), MAX_BYTES).await?;
    String::from_utf8(bytes).map_err(|error| {
        Error::new(ErrorKind::Decode, "the file is no text")
            .with_retryable(false)
            .with_source(error)
    })
}
