//! Blocks of attributes: what is read, what is refused, and that nothing panics.

use proptest::prelude::*;

use super::*;
use crate::wire::reader::{put_lenenc, put_lenenc_bytes};

const ROUTE: &[u8] = b"proxy.route";

/// A type, its name, and a value; `None` is NULL.
type Attribute = (u8, Vec<u8>, Option<Vec<u8>>);

fn block(attributes: &[Attribute]) -> Vec<u8> {
    let mut out = Vec::new();
    if attributes.is_empty() {
        return out;
    }
    let mut nulls = vec![0; attributes.len().div_ceil(8)];
    for (at, _) in attributes.iter().enumerate().filter(|(_, (_, _, value))| value.is_none()) {
        nulls[at / 8] |= 1 << (at % 8);
    }
    out.extend(nulls);
    out.push(1);
    for (kind, name, _) in attributes {
        out.extend([*kind, 0]);
        put_lenenc_bytes(&mut out, name);
    }
    for (_, _, value) in attributes {
        out.extend(value.iter().flatten());
    }
    out
}

fn query(attributes: &[Attribute], text: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    put_lenenc(&mut out, attributes.len() as u64);
    out.push(1);
    out.extend(block(attributes));
    out.extend_from_slice(text);
    out
}

fn execution(flags: u8, attributes: &[Attribute]) -> Vec<u8> {
    let mut out = vec![0x17, 1, 0, 0, 0, flags, 1, 0, 0, 0];
    put_lenenc(&mut out, attributes.len() as u64);
    out.extend(block(attributes));
    out
}

fn lenenc(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    put_lenenc_bytes(&mut out, bytes);
    out
}

fn string(name: &str, value: &str) -> Attribute {
    (0xfe, name.into(), Some(lenenc(value.as_bytes())))
}

#[test]
fn the_text_is_found_behind_attributes_of_every_type() {
    let before: [Attribute; 9] = [
        (1, b"tiny".to_vec(), Some(vec![7])),
        (2, b"short".to_vec(), Some(vec![7; 2])),
        (3, b"long".to_vec(), Some(vec![7; 4])),
        (4, b"float".to_vec(), Some(vec![7; 4])),
        (5, b"double".to_vec(), Some(vec![7; 8])),
        (8, b"".to_vec(), Some(vec![7; 8])),
        (6, b"null".to_vec(), None),
        (12, b"datetime".to_vec(), Some(vec![4, 0xe8, 7, 1, 2])),
        (11, b"time".to_vec(), Some(vec![0])),
    ];
    let mut attributes = before.to_vec();
    attributes.push((0xfd, b"Proxy.Route".to_vec(), Some(lenenc(b" Primary "))));
    attributes.push(string("proxy.route", "replica"));
    let argument = query(&attributes, b"SELECT 1");
    let front = in_front(&argument, ROUTE).unwrap();
    assert_eq!((&argument[front.text_at..], front.found), (&b"SELECT 1"[..], Some(&b" Primary "[..])));
    // The same behind the parameters of a statement of its own.
    let payload = execution(0, &attributes);
    assert_eq!(of_execution(&payload, 9, ROUTE), Some(&b" Primary "[..]));
    assert_eq!(of_execution(&payload, 10, ROUTE), Some(&b"replica"[..]));
    assert_eq!(of_execution(&payload, 11, ROUTE), None);
}

#[test]
fn without_attributes_there_are_two_bytes() {
    assert_eq!(in_front(b"\x00\x01SELECT 1", ROUTE), Ok(Front { text_at: 2, found: None }));
    assert_eq!(in_front(b"\x00\x01", ROUTE), Ok(Front { text_at: 2, found: None }));
    let message = command::message(Command::Query, b"SELECT 1");
    assert_eq!(without_any(&message, Layout::Plain), None);
    assert_eq!(without_any(&message, Layout::Named).unwrap(), b"\x0b\x00\x00\x00\x03\x00\x01SELECT 1");
    assert_eq!(without_any(&command::message(Command::Ping, &[]), Layout::Named), None);
}

#[test]
fn what_is_not_a_text_or_is_null_is_no_wish() {
    let found = |attribute: Attribute| {
        let argument = query(&[attribute], b"x");
        let front = in_front(&argument, ROUTE).unwrap();
        assert_eq!(front.text_at, argument.len() - 1);
        front.found.map(<[u8]>::to_vec)
    };
    assert_eq!(found((1, ROUTE.to_vec(), Some(vec![1]))), None);
    assert_eq!(found((0xfe, ROUTE.to_vec(), None)), None);
    assert_eq!(found(string("proxy.routes", "primary")), None);
    assert_eq!(found(string("proxy.route", "")), Some(Vec::new()));
}

#[test]
fn a_statement_without_parameters_says_by_a_flag_that_attributes_follow() {
    let payload = execution(PARAMETER_COUNT_AVAILABLE, &[string("proxy.route", "primary")]);
    assert_eq!(of_execution(&payload, 0, ROUTE), Some(&b"primary"[..]));
    let payload = execution(1, &[string("proxy.route", "primary")]);
    assert_eq!(of_execution(&payload, 0, ROUTE), None);
}

#[test]
fn what_servers_may_read_in_another_way_is_not_read() {
    // MEDIUMINT, YEAR, BIT, JSON, GEOMETRY, a NULL that is not marked as one, and types that do not exist.
    for kind in [6, 9, 13, 14, 16, 17, 99, 243, 244, 245, 247, 248, 255] {
        assert_eq!(
            in_front(&query(&[(kind, b"a".to_vec(), Some(vec![0; 9]))], b"x"), ROUTE),
            Err(Unclear::Odd),
            "{kind}"
        );
    }
    for argument in [
        &b"\x00\x02SELECT 1"[..],              // two sets
        b"\x00\x00SELECT 1",                   // no set
        b"\x01\x01\x00\x00\xfe\x00\x01n\x01v", // types left out
        b"\x01\x01\x00\x01\xfe\x01\x01n\x01v", // an unknown flag
        b"\xfb\x01\x00",                       // NULL for a number
        b"\xfe\x01\0\0\0\0\0\0\0\x01\x00",     // eight bytes for a number
        b"\x01\x01\x00\x01\xfe\x00\x01n\xffv", // no length
    ] {
        assert_eq!(in_front(argument, ROUTE), Err(Unclear::Odd), "{}", argument.escape_ascii());
    }
    for argument in [&b""[..], b"\x00", b"\x01\x01", b"\xfc\xff\xff\x01\x00", b"\xfd\xff\xff\xff\x01\x00\x01"] {
        assert_eq!(in_front(argument, ROUTE), Err(Unclear::Truncated), "{}", argument.escape_ascii());
    }
}

/// Any type that can be read, with a value of it.
fn any_attribute() -> impl Strategy<Value = Attribute> {
    let fixed = prop_oneof![Just((1, 1)), Just((2, 2)), Just((3, 4)), Just((4, 4)), Just((5, 8)), Just((8, 8))];
    let fixed = fixed.prop_flat_map(|(kind, len)| (Just(kind), prop::collection::vec(any::<u8>(), len).prop_map(Some)));
    let kinds = prop::sample::select(vec![0_u8, 7, 10, 11, 12, 15, 246, 249, 250, 251, 252, 253, 254]);
    let text =
        (kinds, prop::collection::vec(any::<u8>(), 0..300)).prop_map(|(kind, bytes)| (kind, Some(lenenc(&bytes))));
    let null = (any::<u8>(), Just(None));
    let name = prop_oneof![Just(ROUTE.to_vec()), prop::collection::vec(any::<u8>(), 0..20)];
    (name, prop_oneof![fixed, text, null]).prop_map(|(name, (kind, value))| (kind, name, value))
}

fn expected(attributes: &[Attribute], own: usize) -> Option<Vec<u8>> {
    let is_wanted = |(kind, name, _): &&Attribute| is_text(*kind) && name.eq_ignore_ascii_case(ROUTE);
    let value = attributes.iter().skip(own).filter(is_wanted).find_map(|(_, _, value)| value.as_deref())?;
    Some(Reader::new(value).lenenc_bytes().unwrap().to_vec())
}

proptest! {
    #[test]
    fn any_attributes_are_read(
        attributes in prop::collection::vec(any_attribute(), 0..40),
        text in prop::collection::vec(any::<u8>(), 0..50),
    ) {
        let argument = query(&attributes, &text);
        let front = in_front(&argument, ROUTE).unwrap();
        prop_assert_eq!(&argument[front.text_at..], &text[..]);
        prop_assert_eq!(front.found.map(<[u8]>::to_vec), expected(&attributes, 0));
        for cut in 0..front.text_at {
            prop_assert_eq!(in_front(&argument[..cut], ROUTE), Err(Unclear::Truncated));
        }
    }

    #[test]
    fn any_attributes_of_executions_are_read(
        attributes in prop::collection::vec(any_attribute(), 1..40),
        own in 0..40_u16,
    ) {
        let payload = execution(PARAMETER_COUNT_AVAILABLE, &attributes);
        let found = of_execution(&payload, own, ROUTE).map(<[u8]>::to_vec);
        prop_assert_eq!(found, expected(&attributes, usize::from(own)));
        for cut in 0..payload.len() {
            let _ = of_execution(&payload[..cut], own, ROUTE);
        }
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), params: u16) {
        if let Ok(front) = in_front(&bytes, ROUTE) {
            prop_assert!(front.text_at <= bytes.len());
        }
        let _ = of_execution(&bytes, params, ROUTE);
        let _ = without_any(&bytes, Layout::Named);
    }
}
