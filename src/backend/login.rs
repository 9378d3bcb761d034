//! The conversation by which a member lets us in
//! (`page_protocol_connection_phase`, `page_caching_sha2_authentication_exchanges`).

use super::{Account, Connection, DialError, dial::CONNECTION_PHASE_LIMIT, rsa::encrypt_password};
use crate::{
    net::{PacketError, PacketStream},
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

/// How often a member may ask again in a login that cannot succeed.
const MOST_QUESTIONS: usize = 4;

/// A login that says nothing yet.
pub(super) fn nobody((capabilities, extensions): (Capabilities, Extensions), collation: u16) -> Login {
    Login {
        capabilities,
        extensions,
        max_packet: MAX_PACKET,
        collation,
        user: Vec::new(),
        response: Vec::new(),
        database: None,
        plugin: Some(auth::NATIVE.to_owned()),
        attributes: Some(attributes()),
    }
}

/// Sends the login and answers what the member asks, until it says OK.
pub(super) async fn log_in(
    stream: &mut PacketStream,
    seq: u8,
    greeting: &Greeting,
    account: &Account,
    login: Login,
) -> Result<(), DialError> {
    let salt = greeting.salt;
    let (plugin, response) = account.secret.first_response(&greeting.plugin, &salt);
    let response = in_clear(stream, &plugin, account).unwrap_or(response);
    let login = Login { user: account.user.clone(), response, plugin: Some(plugin.clone()), ..login };
    stream.write_message(seq, &login.encode()).await.map_err(PacketError::Io)?;
    prove(stream, account, plugin, salt).await
}

/// Leaves a member that must not be told anything, by the protocol: as nobody, who is refused. To hang up would be counted
/// against our host, see [`give_up`].
pub(super) async fn leave(stream: &mut PacketStream, seq: u8, nobody: &Login, why: DialError) -> DialError {
    if stream.write_message(seq, &nobody.encode()).await.is_err() {
        return why;
    }
    match stream.read_packet(CONNECTION_PHASE_LIMIT).await {
        Ok((_, payload)) if payload.first() == Some(&OK) => {
            let _ = stream.write_message(0, &[Command::Quit as u8]).await;
            why
        }
        Ok((next, payload)) if payload.first() != Some(&ERR) => give_up(stream, next.wrapping_add(1), why).await,
        Ok(_) | Err(_) => why,
    }
}

/// The password as it is, for a method that has it so where nobody else can read it
/// (`page_protocol_connection_phase_authentication_methods_sha256`).
fn in_clear(stream: &PacketStream, plugin: &str, account: &Account) -> Option<Vec<u8>> {
    let password = account.secret.password()?;
    (plugin == auth::SHA256 && stream.is_encrypted()).then(|| [password, &[0]].concat())
}

/// Answers what the member asks of a login or a change of user, until it says OK. MariaDB asks for one method after the
/// other where the account has several, so one that is not ours is answered wrong, and what follows is listened to.
async fn prove(
    stream: &mut PacketStream,
    account: &Account,
    mut plugin: String,
    mut salt: Salt,
) -> Result<(), DialError> {
    // The methods that are not ours, of which the last one is still asked for if there is a `Some`.
    let (mut strange, mut unspoken) = (0, None);
    loop {
        let (seq, payload) = stream.read_packet(CONNECTION_PHASE_LIMIT).await?;
        let seq = seq.wrapping_add(1);
        let step = match payload.first() {
            Some(&OK) => return Ok(()),
            Some(&ERR) => return Err(unspoken.map_or_else(|| refusal(&payload), DialError::Plugin)),
            // Without a name: the method of servers before 4.1.
            Some(&AUTH_SWITCH) if payload.len() == 1 => Err(DialError::Plugin(OLD_PASSWORD.to_owned())),
            Some(&AUTH_SWITCH) => match switch(&payload, account) {
                Ok((named, its_salt, response)) => {
                    let response = in_clear(stream, &named, account).unwrap_or(response);
                    (plugin, salt, unspoken) = (named, its_salt, None);
                    Ok((seq, response))
                }
                Err(error) => Err(error),
            },
            Some(&AUTH_MORE_DATA)
                if plugin == auth::CACHING_SHA2 && payload.get(1..) == Some(&[auth::FAST_AUTH_OK]) =>
            {
                continue;
            }
            Some(&AUTH_MORE_DATA) if plugin == auth::CACHING_SHA2 => {
                full_authentication(stream, seq, &payload[1..], account, &salt).await?
            }
            Some(&AUTH_MORE_DATA) if plugin == auth::SHA256 => {
                encrypted(&payload[1..], account, &salt).map(|secret| (seq, secret))
            }
            _ => Err(DialError::Protocol("unexpected packet in the login")),
        };
        match step {
            Ok((seq, answer)) => stream.write_message(seq, &answer).await.map_err(PacketError::Io)?,
            Err(DialError::Plugin(named)) if strange < MOST_QUESTIONS => {
                strange += 1;
                stream.write_message(seq, auth::wrong_response(&named)).await.map_err(PacketError::Io)?;
                plugin.clone_from(&named);
                unspoken = Some(named);
            }
            Err(error) => return Err(give_up(stream, seq, error).await),
        }
    }
}

/// Ends a login that cannot succeed. A member counts a connection that ends in the middle of its handshake against our
/// host, as it does an answer that the method cannot be given, and refuses the host altogether after
/// `max_connect_errors` of them (error 1129); a proof that is wrong, and an error that was read, cost nothing.
async fn give_up(stream: &mut PacketStream, seq: u8, why: DialError) -> DialError {
    let wrong = match &why {
        DialError::Plugin(plugin) => auth::wrong_response(plugin),
        _ => &[],
    };
    let mut seq = seq;
    for _ in 0..MOST_QUESTIONS {
        if stream.write_message(seq, wrong).await.is_err() {
            break;
        }
        match stream.read_packet(CONNECTION_PHASE_LIMIT).await {
            Ok((_, payload)) if payload.first() == Some(&OK) => {
                let _ = stream.write_message(0, &[Command::Quit as u8]).await;
                break;
            }
            Ok((next, payload)) if payload.first() != Some(&ERR) => seq = next.wrapping_add(1),
            Ok(_) | Err(_) => break,
        }
    }
    why
}

/// Logs in again on a connection of ours (`COM_CHANGE_USER`), which takes away all that stands on it, the database too.
pub(super) async fn log_in_again(connection: &mut Connection) -> Result<(), DialError> {
    let salt = connection.greeting.salt;
    let account = &connection.account;
    let (plugin, response) = account.secret.first_response(&connection.greeting.plugin, &salt);
    let response = in_clear(&connection.stream, &plugin, account).unwrap_or(response);
    let nobody = nobody((connection.capabilities, Extensions::empty()), connection.collation);
    let login = Login { user: account.user.clone(), response, plugin: Some(plugin.clone()), ..nobody };
    let message = message(Command::ChangeUser, &login.encode_change_user());
    connection.stream.write_all(&message).await.map_err(PacketError::Io)?;
    prove(&mut connection.stream, account, plugin, salt).await
}

fn refusal(payload: &[u8]) -> DialError {
    SqlError::parse(payload).map_or(DialError::Protocol("malformed error packet"), DialError::Refused)
}

/// The method that the member asks for, with its salt and our answer.
fn switch(payload: &[u8], account: &Account) -> Result<(String, Salt, Vec<u8>), DialError> {
    let (plugin, data) = parse_auth_switch(payload).ok_or(DialError::Protocol("malformed authentication switch"))?;
    let salt = data.get(..20).and_then(|salt| Salt::try_from(salt).ok());
    let answer = salt.and_then(|salt| Some((salt, account.secret.response(&plugin, &salt)?)));
    match answer {
        Some((salt, response)) => Ok((plugin, salt, response)),
        None => Err(DialError::Plugin(plugin)),
    }
}

/// An answer to the member, with its sequence number; or why there is none.
type Step = Result<(u8, Vec<u8>), DialError>;

/// `caching_sha2`: the password goes over, as it is where the connection is encrypted, else encrypted with the
/// member's public key. The outer error: the member has ended the login.
async fn full_authentication(
    stream: &mut PacketStream,
    seq: u8,
    data: &[u8],
    account: &Account,
    salt: &Salt,
) -> Result<Step, DialError> {
    if data != [auth::FULL_AUTH] {
        return Ok(Err(DialError::Protocol("unexpected authentication data")));
    }
    if stream.is_encrypted() {
        let password = account.secret.password().unwrap_or_default();
        return Ok(Ok((seq, [password, &[0]].concat())));
    }
    stream.write_message(seq, &[auth::REQUEST_PUBLIC_KEY]).await.map_err(PacketError::Io)?;
    let (seq, key) = stream.read_packet(CONNECTION_PHASE_LIMIT).await?;
    if key.first() == Some(&ERR) {
        return Err(refusal(&key));
    }
    let secret = match key.strip_prefix(&[AUTH_MORE_DATA]) {
        Some(key) => encrypted(key, account, salt),
        None => Err(DialError::Protocol("no public key")),
    };
    Ok(secret.map(|secret| (seq.wrapping_add(1), secret)))
}

/// The password, encrypted with the member's public key.
fn encrypted(key: &[u8], account: &Account, salt: &Salt) -> Result<Vec<u8>, DialError> {
    // A method that wants the password is followed only with the password.
    let password = account.secret.password().unwrap_or_default();
    encrypt_password(key, password, salt).map_err(|_| DialError::Protocol("a public key that cannot be used"))
}

fn attributes() -> Vec<u8> {
    let mut out = Vec::new();
    for (name, value) in [("_client_name", "mysql-proxy"), ("_client_version", env!("CARGO_PKG_VERSION"))] {
        put_lenenc_bytes(&mut out, name.as_bytes());
        put_lenenc_bytes(&mut out, value.as_bytes());
    }
    out
}
