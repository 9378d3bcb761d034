//! The conversation by which a member lets us in
//! (`page_protocol_connection_phase`, `page_caching_sha2_authentication_exchanges`).

use super::{Account, Connection, DialError, dial::CONNECTION_PHASE_LIMIT, rsa::encrypt_password};
use crate::{
    net::PacketStream,
    wire::{
        Capabilities, Command, Extensions, auth,
        command::message,
        err::{ERR, SqlError},
        greeting::{Greeting, Salt},
        login::{AUTH_MORE_DATA, AUTH_SWITCH, Login, parse_auth_switch},
        ok::OK,
        reader::put_lenenc_bytes,
    },
};

/// The longest packet that we would take, as told to the member, in bytes.
const MAX_PACKET: u32 = 1 << 30;

/// What an account without a better method gets from a member whose `old_passwords` is on.
const OLD_PASSWORD: &str = "mysql_old_password";

/// Sends the login and answers what the member asks, until it says OK.
pub(super) async fn log_in(
    stream: &mut PacketStream,
    seq: u8,
    greeting: &Greeting,
    account: &Account,
    (capabilities, extensions): (Capabilities, Extensions),
    collation: u8,
) -> Result<(), DialError> {
    let plugin = greeting.plugin.clone();
    let salt = greeting.salt;
    // A default plugin that is not ours is answered with nothing; the member then names the account's own.
    let response = auth::response(&plugin, &account.password, &salt).unwrap_or_default();
    let login = Login {
        capabilities,
        extensions,
        max_packet: MAX_PACKET,
        collation,
        user: account.user.clone(),
        response,
        database: None,
        plugin: Some(plugin.clone()),
        attributes: Some(attributes()),
    };
    stream.write_message(seq, &login.encode()).await.map_err(crate::net::PacketError::Io)?;
    prove(stream, account, plugin, salt).await
}

/// Answers what the member asks of a login or a change of user, until it says OK.
async fn prove(
    stream: &mut PacketStream,
    account: &Account,
    mut plugin: String,
    mut salt: Salt,
) -> Result<(), DialError> {
    loop {
        let (seq, payload) = stream.read_packet(CONNECTION_PHASE_LIMIT).await?;
        let seq = seq.wrapping_add(1);
        match payload.first() {
            Some(&OK) => return Ok(()),
            Some(&ERR) => return Err(refusal(&payload)),
            // Without a name: the method of servers before 4.1.
            Some(&AUTH_SWITCH) if payload.len() == 1 => return Err(DialError::Plugin(OLD_PASSWORD.to_owned())),
            Some(&AUTH_SWITCH) => {
                (plugin, salt) = switch(&payload)?;
                let response = auth::response(&plugin, &account.password, &salt)
                    .ok_or_else(|| DialError::Plugin(plugin.clone()))?;
                stream.write_message(seq, &response).await.map_err(crate::net::PacketError::Io)?;
            }
            Some(&AUTH_MORE_DATA) if plugin == auth::CACHING_SHA2 => {
                more_data(stream, seq, &payload[1..], account, &salt).await?;
            }
            Some(&AUTH_MORE_DATA) if plugin == auth::SHA256 => {
                send_encrypted(stream, seq, &payload[1..], account, &salt).await?;
            }
            _ => return Err(DialError::Protocol("unexpected packet in the login")),
        }
    }
}

/// Logs in again on a connection of ours (`COM_CHANGE_USER`), which takes away all that stands on it, the database too.
pub(super) async fn log_in_again(connection: &mut Connection) -> Result<(), DialError> {
    let (plugin, salt) = (connection.greeting.plugin.clone(), connection.greeting.salt);
    let account = &connection.account;
    let login = Login {
        capabilities: connection.capabilities,
        extensions: Extensions::empty(),
        max_packet: MAX_PACKET,
        collation: connection.collation,
        user: account.user.clone(),
        response: auth::response(&plugin, &account.password, &salt).unwrap_or_default(),
        database: None,
        plugin: Some(plugin.clone()),
        attributes: Some(attributes()),
    };
    let message = message(Command::ChangeUser, &login.encode_change_user());
    connection.stream.write_all(&message).await.map_err(crate::net::PacketError::Io)?;
    prove(&mut connection.stream, account, plugin, salt).await
}

fn refusal(payload: &[u8]) -> DialError {
    SqlError::parse(payload).map_or(DialError::Protocol("malformed error packet"), DialError::Refused)
}

fn switch(payload: &[u8]) -> Result<(String, Salt), DialError> {
    let (plugin, data) = parse_auth_switch(payload).ok_or(DialError::Protocol("malformed authentication switch"))?;
    match data.get(..20).and_then(|salt| Salt::try_from(salt).ok()) {
        Some(salt) => Ok((plugin, salt)),
        None => Err(DialError::Plugin(plugin)),
    }
}

/// `caching_sha2`: either the fast path succeeded, or the password goes over, encrypted with the member's public key.
async fn more_data(
    stream: &mut PacketStream,
    seq: u8,
    data: &[u8],
    account: &Account,
    salt: &Salt,
) -> Result<(), DialError> {
    match data {
        [auth::FAST_AUTH_OK] => Ok(()),
        [auth::FULL_AUTH] => {
            stream.write_message(seq, &[auth::REQUEST_PUBLIC_KEY]).await.map_err(crate::net::PacketError::Io)?;
            let (seq, key) = stream.read_packet(CONNECTION_PHASE_LIMIT).await?;
            if key.first() == Some(&ERR) {
                return Err(refusal(&key));
            }
            let key = key.strip_prefix(&[AUTH_MORE_DATA]).ok_or(DialError::Protocol("no public key"))?;
            send_encrypted(stream, seq.wrapping_add(1), key, account, salt).await
        }
        _ => Err(DialError::Protocol("unexpected authentication data")),
    }
}

/// The password, encrypted with the member's public key.
async fn send_encrypted(
    stream: &mut PacketStream,
    seq: u8,
    key: &[u8],
    account: &Account,
    salt: &Salt,
) -> Result<(), DialError> {
    let secret = encrypt_password(key, &account.password, salt)
        .map_err(|_| DialError::Protocol("a public key that cannot be used"))?;
    Ok(stream.write_message(seq, &secret).await.map_err(crate::net::PacketError::Io)?)
}

fn attributes() -> Vec<u8> {
    let mut out = Vec::new();
    for (name, value) in [("_client_name", "mysql-proxy"), ("_client_version", env!("CARGO_PKG_VERSION"))] {
        put_lenenc_bytes(&mut out, name.as_bytes());
        put_lenenc_bytes(&mut out, value.as_bytes());
    }
    out
}
