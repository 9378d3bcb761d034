//! What must hold of bytes that strangers send before anybody is known: asked by the fuzzer, and of its corpus by a test.
//!
//! Each of these panics where it does not hold.

#![allow(clippy::panic, clippy::missing_panics_doc)]

use super::{
    Capabilities, Extensions, announcement,
    greeting::Greeting,
    login::{FirstPacket, Login, auth_switch as switch_to, parse_auth_switch},
};

/// A login is read as it is written, a change of user too.
pub fn handshake_response(bytes: &[u8]) {
    let first = match FirstPacket::parse(bytes) {
        Ok(FirstPacket::Login(login)) => login,
        _ => somebody(),
    };
    // What a login can carry by one length byte, or by a text without NUL, is written as it was read.
    let has_room = first.response.len() < 0xfb;
    if has_room && first.capabilities.contains(Capabilities::SECURE_CONNECTION) {
        let again = FirstPacket::parse(&first.encode());
        assert!(matches!(again, Ok(FirstPacket::Login(again)) if again.user == first.user));
    }
    if let Some(changed) = Login::parse_change_user(bytes, &first) {
        assert!(changed.user.len() <= bytes.len());
    }
}

/// A greeting is read as it is written.
pub fn greeting(bytes: &[u8]) {
    if let Ok(greeting) = Greeting::parse(bytes) {
        let again = Greeting::parse(&greeting.encode());
        assert!(again.is_ok_and(|again| again.salt == greeting.salt && again.capabilities == greeting.capabilities));
    }
}

/// A switch of the method is read as it is written.
pub fn auth_switch(bytes: &[u8]) {
    if let Some((plugin, data)) = parse_auth_switch(bytes)
        && let Ok(salt) = data.as_slice().try_into()
    {
        assert_eq!(parse_auth_switch(&switch_to(&plugin, &salt)), Some((plugin, data)));
    }
}

/// A header is never longer than what was sent, and what follows does not change it.
pub fn proxy_header(bytes: &[u8]) {
    if let Ok(Some((source, length))) = announcement::parse(bytes) {
        assert!(length <= bytes.len());
        let behind = [&bytes[..length], b"more"].concat();
        assert!(matches!(announcement::parse(&behind), Ok(Some(again)) if again == (source, length)));
    }
}

fn somebody() -> Login {
    Login {
        capabilities: Capabilities::PROTOCOL_41 | Capabilities::SECURE_CONNECTION | Capabilities::PLUGIN_AUTH,
        extensions: Extensions::empty(),
        max_packet: 0,
        collation: 45,
        user: Vec::new(),
        response: Vec::new(),
        database: None,
        plugin: None,
        attributes: None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What the fuzzer has found worth keeping, and what it began with.
    #[test]
    fn it_holds_of_the_corpus() {
        type Target = fn(&[u8]);
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds");
        let targets: [(&str, Target); 4] = [
            ("handshake_response", handshake_response),
            ("greeting", greeting),
            ("auth_switch", auth_switch),
            ("proxy_header", proxy_header),
        ];
        for (name, target) in targets {
            let files: Vec<_> = folder.join(name).read_dir().unwrap().map(|file| file.unwrap().path()).collect();
            assert!(!files.is_empty(), "{name}");
            for file in files {
                target(&std::fs::read(&file).unwrap());
            }
        }
    }

    proptest! {
        #[test]
        fn it_holds_of_any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..120)) {
            handshake_response(&bytes);
            greeting(&bytes);
            auth_switch(&[&[0xfe], &bytes[..]].concat());
            proxy_header(&bytes);
        }
    }
}
