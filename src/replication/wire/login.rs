use postgres_protocol::{
    authentication::{
        md5_hash,
        sasl::{self, ScramSha256},
    },
    message::{backend::Message, frontend},
};
use tokio_postgres::config::ChannelBinding;

use super::{Frame, Wire, frame};
use crate::{
    postgres::Dsn,
    replication::{ReplicationError, ServerError},
};

/// Both plugins print values by the session's settings; these make the text of a value the same everywhere.
const PINNED: &str =
    "-c datestyle=ISO -c intervalstyle=postgres -c extra_float_digits=1 -c bytea_output=hex -c timezone=UTC";

/// A database whose encoding is SQL_ASCII holds texts of any bytes. Asked for UTF8, its walsender ends the stream at the first
/// that is not: asked for no conversion, it leaves that to the decoder.
const TAKE_ANY_BYTES: &str = "SELECT pg_catalog.set_config('client_encoding', 'SQL_ASCII', false) \
                              WHERE pg_catalog.current_setting('server_encoding') = 'SQL_ASCII'";

/// Starts a replication session for the DSN's database and authenticates. `end_point` is the channel binding of the TLS
/// connection, where there is one.
pub(super) async fn login(wire: &mut Wire, dsn: &Dsn, end_point: Option<Vec<u8>>) -> Result<(), ReplicationError> {
    let options = match dsn.config().get_options() {
        Some(options) => format!("{options} {PINNED}"),
        None => PINNED.to_owned(),
    };
    let parameters = [
        ("user", dsn.user()),
        ("database", dsn.database()),
        ("replication", "database"),
        ("client_encoding", "UTF8"),
        ("application_name", dsn.config().get_application_name().unwrap_or("walcast")),
        ("options", &options),
    ];
    wire.writer.put(|buffer| frontend::startup_message(parameters, buffer))?;
    wire.writer.send().await?;
    authenticate(wire, dsn, end_point).await?;
    loop {
        match next(wire).await? {
            Message::ReadyForQuery(_) => break,
            Message::BackendKeyData(_) => {}
            _ => return Err(ReplicationError::Protocol("an unexpected message after the login".to_owned())),
        }
    }
    wire.query(TAKE_ANY_BYTES).await?;
    Ok(())
}

async fn authenticate(wire: &mut Wire, dsn: &Dsn, end_point: Option<Vec<u8>>) -> Result<(), ReplicationError> {
    let failed = |reason: &str| ReplicationError::Login { user: dsn.user().to_owned(), reason: reason.to_owned() };
    let password = || {
        dsn.config().get_password().ok_or_else(|| failed("the server asks for a password, and DATABASE_URL has none"))
    };
    let unbound = || match dsn.config().get_channel_binding() {
        ChannelBinding::Require => Err(failed("channel_binding=require, and the server does not use it")),
        _ => Ok(()),
    };
    match next(wire).await? {
        Message::AuthenticationOk => return unbound(),
        Message::AuthenticationCleartextPassword => {
            unbound()?;
            let password = password()?;
            wire.writer.put(|buffer| frontend::password_message(password, buffer))?;
        }
        Message::AuthenticationMd5Password(body) => {
            unbound()?;
            let hash = md5_hash(dsn.user().as_bytes(), password()?, body.salt());
            wire.writer.put(|buffer| frontend::password_message(hash.as_bytes(), buffer))?;
        }
        Message::AuthenticationSasl(body) => {
            use fallible_iterator::FallibleIterator as _;
            let offered: Vec<&str> =
                body.mechanisms().collect().map_err(|error| ReplicationError::Protocol(error.to_string()))?;
            let usable = end_point.filter(|_| dsn.config().get_channel_binding() != ChannelBinding::Disable);
            let (mechanism, binding) = match usable {
                Some(hash) if offered.contains(&sasl::SCRAM_SHA_256_PLUS) => {
                    (sasl::SCRAM_SHA_256_PLUS, sasl::ChannelBinding::tls_server_end_point(hash))
                }
                // Saying that we could have bound the channel lets the server notice a downgrade.
                Some(_) => (sasl::SCRAM_SHA_256, sasl::ChannelBinding::unrequested()),
                None => (sasl::SCRAM_SHA_256, sasl::ChannelBinding::unsupported()),
            };
            if mechanism == sasl::SCRAM_SHA_256 {
                unbound()?;
            }
            if !offered.contains(&mechanism) {
                return Err(failed(&format!("the server offers only {}", offered.join(", "))));
            }
            scram(wire, ScramSha256::new(password()?, binding), mechanism, &failed).await?;
        }
        _ => return Err(failed("the server asks for a method that walcast does not know (use scram-sha-256)")),
    }
    wire.writer.send().await?;
    match next(wire).await? {
        Message::AuthenticationOk => Ok(()),
        _ => Err(ReplicationError::Protocol("an unexpected message during the login".to_owned())),
    }
}

async fn scram(
    wire: &mut Wire,
    mut scram: ScramSha256,
    mechanism: &str,
    failed: &impl Fn(&str) -> ReplicationError,
) -> Result<(), ReplicationError> {
    let unexpected = || ReplicationError::Protocol("an unexpected message during SCRAM".to_owned());
    wire.writer.put(|buffer| frontend::sasl_initial_response(mechanism, scram.message(), buffer))?;
    wire.writer.send().await?;
    let Message::AuthenticationSaslContinue(body) = next(wire).await? else { return Err(unexpected()) };
    scram.update(body.data()).map_err(|error| failed(&error.to_string()))?;
    wire.writer.put(|buffer| frontend::sasl_response(scram.message(), buffer))?;
    wire.writer.send().await?;
    let Message::AuthenticationSaslFinal(body) = next(wire).await? else { return Err(unexpected()) };
    // A server that does not know the password cannot sign this.
    scram.finish(body.data()).map_err(|error| failed(&error.to_string()))
}

async fn next(wire: &mut Wire) -> Result<Message, ReplicationError> {
    match wire.reader.frame().await? {
        Frame::Message(Message::ErrorResponse(body)) => {
            let error: ServerError = frame::server_error(body.fields())?;
            Err(ReplicationError::Server(error))
        }
        Frame::Message(message) => Ok(message),
        Frame::CopyBoth | Frame::Copy(_) => Err(ReplicationError::Protocol("a copy during the login".to_owned())),
    }
}
