//! Electronic mail: one notice, one message to all recipients, one SMTP dialogue (RFC 5321).
//!
//! A recipient the server refuses does not keep the others from being told. The name of the mail server is
//! resolved here, on a thread of the runtime's own, so a slow resolver delays this mail and nothing else.

use std::time::Duration;

use lettre::Address;
use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{Mailbox, Message};
use lettre::transport::smtp::client::AsyncSmtpConnection;
use lettre::transport::smtp::commands::{Data, Mail, Rcpt};
use lettre::transport::smtp::extension::ClientId;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::address::split_address;
use crate::error::DeliveryError;
use crate::notice::Notice;
use crate::settings::EmailSettings;

/// How long the server may take over its farewell: the message is delivered by then.
const FAREWELL: Duration = Duration::from_secs(2);

/// What the mail server did with a message it took.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// The recipients it refused, each with its reply. Empty when all will get the message.
    pub refused: Vec<(String, String)>,
}

impl EmailSettings {
    /// Sends a notice to all recipients. Returns when the server has taken the message for at least one of
    /// them. Takes at most three times `connect_timeout`, and two seconds for the farewell. Needs a tokio
    /// runtime with its network and time drivers on.
    pub async fn send(&self, notice: &Notice) -> Result<Accepted, DeliveryError> {
        self.check()?;
        let letter = Letter::new(self, notice)?;
        let address = (self.server.as_str(), self.port);
        let stream = match timeout(self.connect_timeout, TcpStream::connect(address)).await {
            Ok(connected) => connected.map_err(|error| self.unusable(error))?,
            Err(_) => return Err(self.too_slow(self.connect_timeout)),
        };
        let patience = self.connect_timeout.saturating_mul(2);
        let (mut connection, accepted) = match timeout(patience, self.converse(stream, &letter)).await {
            Ok(conversed) => conversed?,
            Err(_) => return Err(self.too_slow(patience)),
        };
        // Delivered; how the server says goodbye changes nothing.
        let _ = timeout(FAREWELL, connection.quit()).await;
        Ok(accepted)
    }

    async fn converse(
        &self,
        stream: TcpStream,
        letter: &Letter,
    ) -> Result<(AsyncSmtpConnection, Accepted), DeliveryError> {
        let greeting = self.helo.clone().map_or_else(ClientId::default, ClientId::Domain);
        let mut connection = AsyncSmtpConnection::connect_with_transport(Box::new(stream), &greeting)
            .await
            .map_err(|error| self.refused("the greeting", &error))?;
        let sender = Mail::new(Some(letter.from.email.clone()), Vec::new());
        connection.command(sender).await.map_err(|error| self.refused("the sender", &error))?;
        let refused = self.name_recipients(&mut connection, letter).await?;
        connection.command(Data).await.map_err(|error| self.refused("the message", &error))?;
        connection.message(&letter.text).await.map_err(|error| self.refused("the message", &error))?;
        Ok((connection, Accepted { refused }))
    }

    /// Names the recipients one by one, and returns those the server refuses; an error if it refuses all.
    async fn name_recipients(
        &self,
        connection: &mut AsyncSmtpConnection,
        letter: &Letter,
    ) -> Result<Vec<(String, String)>, DeliveryError> {
        let mut refused = Vec::new();
        let mut permanent = true;
        for recipient in &letter.to {
            match connection.command(Rcpt::new(recipient.email.clone(), Vec::new())).await {
                Ok(_) => {}
                Err(error) if error.is_permanent() || error.is_transient() => {
                    permanent &= error.is_permanent();
                    refused.push((recipient.email.to_string(), error.to_string()));
                }
                Err(error) => return Err(self.refused("a recipient", &error)),
            }
        }
        if refused.len() < letter.to.len() {
            return Ok(refused);
        }
        let (addresses, mut replies): (Vec<_>, Vec<_>) = refused.into_iter().unzip();
        replies.dedup();
        Err(DeliveryError::Refused {
            server: self.address(),
            what: format!("recipient {}", addresses.join(", ")),
            reply: replies.join("; "),
            permanent,
        })
    }

    fn address(&self) -> String {
        format!("{}:{}", self.server, self.port)
    }

    fn unusable(&self, error: impl std::fmt::Display) -> DeliveryError {
        DeliveryError::Server { server: self.address(), reason: error.to_string() }
    }

    fn too_slow(&self, patience: Duration) -> DeliveryError {
        DeliveryError::Timeout { server: self.address(), patience }
    }

    /// A failed step of the dialogue: refused by a reply, or broken off.
    fn refused(&self, what: &str, error: &lettre::transport::smtp::Error) -> DeliveryError {
        if error.status().is_none() {
            return self.unusable(error);
        }
        DeliveryError::Refused {
            server: self.address(),
            what: what.to_owned(),
            reply: error.to_string(),
            permanent: error.is_permanent(),
        }
    }
}

/// A message ready for the wire.
struct Letter {
    from: Mailbox,
    to: Vec<Mailbox>,
    text: Vec<u8>,
}

impl Letter {
    fn new(settings: &EmailSettings, notice: &Notice) -> Result<Letter, DeliveryError> {
        let from = mailbox(&settings.from)?;
        let to = settings.to.iter().map(|address| mailbox(address)).collect::<Result<Vec<_>, _>>()?;
        let mut builder = Message::builder()
            .date_now()
            .from(from.clone())
            .subject(&notice.subject)
            .message_id(None)
            .header(ContentType::TEXT_PLAIN)
            .raw_header(header("X-Mailer", "directord"))
            // Asks holiday repliers not to answer (RFC 3834 section 5).
            .raw_header(header("Auto-Submitted", "auto-generated"));
        for recipient in &to {
            builder = builder.to(recipient.clone());
        }
        let message =
            builder.body(notice.body.clone()).map_err(|error| DeliveryError::Message(error.to_string()))?;
        Ok(Letter { from, to, text: message.formatted() })
    }
}

fn header(name: &'static str, value: &str) -> HeaderValue {
    let name = HeaderName::new_from_ascii(name.to_owned()).expect("our header names are valid");
    HeaderValue::new(name, value.to_owned())
}

fn mailbox(text: &str) -> Result<Mailbox, DeliveryError> {
    let (name, user, host) = split_address(text)?;
    let address = Address::new(user, host).map_err(|_| DeliveryError::Address {
        address: text.to_owned(),
        problem: "cannot be written in a message",
    })?;
    Ok(Mailbox::new((!name.is_empty()).then(|| name.to_owned()), address))
}

#[cfg(test)]
mod tests;
