//! Packet framing (`page_protocol_basic_packets`): three bytes of length, one of sequence, then the payload; a payload
//! of 16 MiB − 1 bytes is followed by another packet of the same message.

/// Bytes of a packet's header.
pub const HEADER_LEN: usize = 4;
/// The longest payload of one packet; a packet of exactly this length is continued by the next.
pub const MAX_PAYLOAD: usize = 0xff_ff_ff;

/// A packet's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Length of the payload, at most [`MAX_PAYLOAD`].
    pub len: usize,
    /// Sequence number within the command.
    pub seq: u8,
}

impl Header {
    /// The header at the start of `bytes`, if all four bytes are there.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Option<Header> {
        let [a, b, c, seq] = *bytes.first_chunk::<HEADER_LEN>()?;
        Some(Header { len: usize::from(a) | usize::from(b) << 8 | usize::from(c) << 16, seq })
    }

    /// The header's bytes.
    #[must_use]
    pub const fn encode(self) -> [u8; HEADER_LEN] {
        [self.len as u8, (self.len >> 8) as u8, (self.len >> 16) as u8, self.seq]
    }

    /// Whether the next packet continues this one's message.
    #[must_use]
    pub const fn is_continued(self) -> bool {
        self.len == MAX_PAYLOAD
    }

    /// Header and payload.
    #[must_use]
    pub const fn total(self) -> usize {
        HEADER_LEN + self.len
    }
}

/// Appends `payload` as one message, split at [`MAX_PAYLOAD`], and returns the next sequence number.
pub fn put_message(out: &mut Vec<u8>, mut seq: u8, payload: &[u8]) -> u8 {
    let mut rest = payload;
    loop {
        let (now, later) = rest.split_at(rest.len().min(MAX_PAYLOAD));
        out.extend_from_slice(&Header { len: now.len(), seq }.encode());
        out.extend_from_slice(now);
        seq = seq.wrapping_add(1);
        if now.len() < MAX_PAYLOAD {
            return seq;
        }
        rest = later;
    }
}

/// Follows the bytes of one message, in chunks of any size, to its end.
#[derive(Clone, Copy, Debug, Default)]
pub struct MessageEnd {
    header: [u8; HEADER_LEN],
    have: usize,
    left: usize,
    continued: bool,
    done: bool,
    next_seq: u8,
    payload: usize,
}

impl MessageEnd {
    /// Takes the next chunk; returns how many of its bytes belong to the message.
    pub fn advance(&mut self, chunk: &[u8]) -> usize {
        let mut at = 0;
        if self.have == 0
            && self.left == 0
            && let Some(header) = Header::parse(chunk).filter(|header| !header.is_continued() && !self.done)
            && chunk.len() >= header.total()
        {
            // Nearly always: the last packet of the message, all of it.
            self.payload += header.len;
            self.next_seq = header.seq.wrapping_add(1);
            (self.continued, self.done) = (false, true);
            return header.total();
        }
        while at < chunk.len() && !self.done {
            if self.left > 0 {
                let step = self.left.min(chunk.len() - at);
                self.left -= step;
                at += step;
                self.done = self.left == 0 && !self.continued;
            } else {
                self.header[self.have] = chunk[at];
                self.have += 1;
                at += 1;
                if self.have == HEADER_LEN {
                    self.begin_packet();
                }
            }
        }
        at
    }

    fn begin_packet(&mut self) {
        self.have = 0;
        if let Some(header) = Header::parse(&self.header) {
            self.left = header.len;
            self.payload += header.len;
            self.continued = header.is_continued();
            self.next_seq = header.seq.wrapping_add(1);
            self.done = header.len == 0;
        }
    }

    /// Bytes of payload in the packets that have begun.
    #[must_use]
    pub const fn payload(&self) -> usize {
        self.payload
    }

    /// Whether the message is complete.
    #[must_use]
    pub const fn is_done(&self) -> bool {
        self.done
    }

    /// The sequence number that answers the message.
    #[must_use]
    pub const fn next_seq(&self) -> u8 {
        self.next_seq
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_payload_of_exactly_the_limit_is_followed_by_an_empty_packet() {
        let mut out = Vec::new();
        assert_eq!(put_message(&mut out, 0, &vec![7; MAX_PAYLOAD]), 2);
        assert_eq!(out.len(), HEADER_LEN + MAX_PAYLOAD + HEADER_LEN);
        assert_eq!(&out[HEADER_LEN + MAX_PAYLOAD..], &[0, 0, 0, 1]);
    }

    #[test]
    fn the_end_of_a_long_message_is_found_in_chunks_of_any_size() {
        let mut out = Vec::new();
        put_message(&mut out, 0, &vec![7; MAX_PAYLOAD * 2 + 5]);
        let whole = out.len();
        out.extend_from_slice(b"next");
        for size in [1 << 20, 65_537, MAX_PAYLOAD + 3, out.len()] {
            let mut end = MessageEnd::default();
            let taken: usize = out.chunks(size).map(|chunk| end.advance(chunk)).sum();
            assert!(end.is_done());
            assert_eq!((taken, end.next_seq()), (whole, 3));
        }
    }

    proptest! {
        #[test]
        fn any_chunking_finds_the_same_end(payload in proptest::collection::vec(any::<u8>(), 0..300), size in 1usize..40) {
            let mut out = Vec::new();
            put_message(&mut out, 9, &payload);
            let whole = out.len();
            out.extend_from_slice(&[1, 2, 3, 4, 5]);
            let mut end = MessageEnd::default();
            let mut taken = 0;
            for chunk in out.chunks(size) { taken += end.advance(chunk); }
            prop_assert!(end.is_done());
            prop_assert_eq!(taken, whole);
        }
    }
}
