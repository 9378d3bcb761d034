//! How long it takes to follow a reply by its packet headers, as it is forwarded. `cargo bench --bench forward`
#![allow(clippy::unwrap_used, missing_docs)]

use divan::{Bencher, black_box, counter::BytesCount};
use mysql_proxy::wire::{
    Capabilities, HEADER_LEN, Header, StatusFlags,
    ok::OkPacket,
    packet::put_message,
    response::{Need, Response, Shape},
};

fn main() {
    divan::main();
}

/// A reply of so many rows of 120 bytes, as sysbench's tables give them.
fn rows(count: usize) -> Vec<u8> {
    let mut out = Vec::new();
    let mut seq = put_message(&mut out, 1, &[1]);
    seq = put_message(
        &mut out,
        seq,
        b"\x03def\x06sbtest\x07sbtest1\x07sbtest1\x01c\x01c\x0c\x2d\0\xe0\x01\0\0\xfe\0\0\0\0\0",
    );
    for _ in 0..count {
        seq = put_message(&mut out, seq, &[&[119_u8][..], &[b'x'; 119]].concat());
    }
    OkPacket { first: 0xfe, ..OkPacket::plain(StatusFlags::AUTOCOMMIT) }.put(
        &mut out,
        seq,
        Capabilities::DEPRECATE_EOF,
        |_| false,
    );
    out
}

/// Follows the reply to its end.
fn follow(reply: &[u8]) -> bool {
    let mut response = Response::new(Shape::Results, Capabilities::DEPRECATE_EOF);
    let mut at = 0;
    while let Some(header) = Header::parse(&reply[at..]) {
        let payload = &reply[at + HEADER_LEN..at + header.total()];
        if response.on_header(header, payload.first().copied()) == Need::Whole {
            response.on_payload(payload).unwrap();
        }
        at += header.total();
    }
    response.is_done()
}

#[divan::bench(args = [1, 100, 10_000])]
fn follow_rows(bencher: Bencher<'_, '_>, count: usize) {
    let reply = rows(count);
    assert!(follow(&reply));
    bencher.counter(BytesCount::new(reply.len())).bench(|| follow(black_box(&reply)));
}

/// The OK of an autocommit write, with the trackers that the proxy switched on, for a client that must not see them.
#[divan::bench]
fn rewrite_ok(bencher: Bencher<'_, '_>) {
    let payload =
        b"\x00\x01\x01\x02\x40\x00\x00\x00\x3c\x00\x10\x0cstatement_id\x0245\x03\x28\x00\x2643ffca67-e4da-11f1-a042-02fc00000001:7";
    bencher.bench(|| {
        let ok = OkPacket::parse(black_box(payload), Capabilities::SESSION_TRACK).unwrap();
        let mut out = Vec::new();
        ok.put(&mut out, 1, Capabilities::empty(), |_| true);
        out
    });
}
