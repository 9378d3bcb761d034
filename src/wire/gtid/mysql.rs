//! `MySQL`'s set: for each source (a server's UUID and a tag) the intervals of its transaction numbers.

use std::fmt;

use super::{GtidError, decimal};

const MAX_TAG: usize = 32;
const MAX_NUMBER: u64 = i64::MAX as u64;

/// A tag as the server prints it, in lower case; empty where there is none.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Tag {
    bytes: [u8; MAX_TAG],
    length: u8,
}

/// Who made the transactions. Ordered as servers print them: by UUID, then by tag, without a tag first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Source {
    uuid: [u8; 16],
    tag: Tag,
}

/// Transaction numbers, both ends included; `1 <= first <= last`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Interval {
    first: u64,
    last: u64,
}

/// The transactions of one source: sorted, neither overlapping nor adjacent, never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Executed {
    source: Source,
    intervals: Vec<Interval>,
}

/// Sorted by source, each source once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Set(Vec<Executed>);

impl Set {
    pub(super) fn parse(text: &[u8]) -> Result<Self, GtidError> {
        let mut found: Vec<Executed> = Vec::new();
        for part in text.split(|byte| *byte == b',').map(<[u8]>::trim_ascii).filter(|part| !part.is_empty()) {
            parse_server(part, &mut found)?;
        }
        found.sort_by_key(|executed| executed.source);
        let mut sources: Vec<Executed> = Vec::with_capacity(found.len());
        for executed in found {
            match sources.last_mut() {
                Some(last) if last.source == executed.source => last.intervals.extend(executed.intervals),
                _ => sources.push(executed),
            }
        }
        for executed in &mut sources {
            normalize(&mut executed.intervals);
        }
        sources.retain(|executed| !executed.intervals.is_empty());
        Ok(Self(sources))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn covers(&self, other: &Self) -> bool {
        other.0.iter().all(|wanted| match self.position(&wanted.source) {
            Ok(at) => wanted.intervals.iter().all(|interval| self.0[at].contains(*interval)),
            Err(_) => false,
        })
    }

    pub(super) fn merge(&mut self, other: &Self) {
        for executed in &other.0 {
            match self.position(&executed.source) {
                Ok(at) => self.0[at].merge(&executed.intervals),
                Err(at) => self.0.insert(at, executed.clone()),
            }
        }
    }

    pub(super) fn fill_oldest_gaps(&mut self, max_intervals: usize) {
        for executed in &mut self.0 {
            let excess = executed.intervals.len().saturating_sub(max_intervals);
            if excess > 0 {
                let first = executed.intervals[0].first;
                executed.intervals.drain(..excess);
                executed.intervals[0].first = first;
            }
        }
    }

    /// What of this set is in `old` and not in `new`.
    pub(super) fn lost(&self, old: &Self, new: &Self) -> Self {
        let of = |set: &Self, source: &Source| {
            set.position(source).map_or_else(|_| Vec::new(), |at| set.0[at].intervals.clone())
        };
        let mut lost = Vec::new();
        for executed in &self.0 {
            let source = executed.source;
            let gone = without(&common(&executed.intervals, &of(old, &source)), &of(new, &source));
            if !gone.is_empty() {
                lost.push(Executed { source, intervals: gone });
            }
        }
        Self(lost)
    }

    /// Whether one of its transactions was made by this server.
    pub(super) fn names(&self, uuid: &[u8; 16]) -> bool {
        self.0.iter().any(|executed| executed.source.uuid == *uuid)
    }

    /// Whether a server has made transactions of both sets.
    pub(super) fn shares_a_source(&self, other: &Self) -> bool {
        self.0.iter().any(|executed| other.names(&executed.source.uuid))
    }

    fn position(&self, source: &Source) -> Result<usize, usize> {
        self.0.binary_search_by(|executed| executed.source.cmp(source))
    }
}

impl Executed {
    fn contains(&self, wanted: Interval) -> bool {
        let after = self.intervals.partition_point(|interval| interval.first <= wanted.first);
        after.checked_sub(1).is_some_and(|at| self.intervals[at].last >= wanted.last)
    }

    fn merge(&mut self, others: &[Interval]) {
        // The common case, the next transaction of the same source, needs no sorting.
        if let ([next], Some(last)) = (others, self.intervals.last_mut())
            && next.first == last.last + 1
        {
            last.last = next.last;
            return;
        }
        self.intervals.extend_from_slice(others);
        normalize(&mut self.intervals);
    }
}

/// What is in both; each sorted and without overlaps.
fn common(one: &[Interval], other: &[Interval]) -> Vec<Interval> {
    let (mut common, mut a, mut b) = (Vec::new(), 0, 0);
    while let (Some(left), Some(right)) = (one.get(a), other.get(b)) {
        let (first, last) = (left.first.max(right.first), left.last.min(right.last));
        if first <= last {
            common.push(Interval { first, last });
        }
        if left.last <= right.last { a += 1 } else { b += 1 }
    }
    common
}

/// What is in the first only; each sorted and without overlaps.
fn without(from: &[Interval], taken: &[Interval]) -> Vec<Interval> {
    let (mut left, mut at) = (Vec::new(), 0);
    for interval in from {
        let mut first = interval.first;
        while taken.get(at).is_some_and(|cut| cut.last < first) {
            at += 1;
        }
        let mut next = at;
        while let Some(cut) = taken.get(next).filter(|cut| cut.first <= interval.last) {
            if cut.first > first {
                left.push(Interval { first, last: cut.first - 1 });
            }
            first = cut.last + 1;
            next += 1;
        }
        if first <= interval.last {
            left.push(Interval { first, last: interval.last });
        }
    }
    left
}

fn normalize(intervals: &mut Vec<Interval>) {
    intervals.sort_unstable_by_key(|interval| interval.first);
    intervals.dedup_by(|next, kept| {
        let touches = next.first <= kept.last + 1;
        if touches {
            kept.last = kept.last.max(next.last);
        }
        touches
    });
}

/// Reads `uuid[:tag]:interval…[:tag:interval…]…`.
fn parse_server(text: &[u8], found: &mut Vec<Executed>) -> Result<(), GtidError> {
    let mut parts = text.split(|byte| *byte == b':').map(<[u8]>::trim_ascii);
    let uuid = parts.next().and_then(parse_uuid).ok_or(GtidError::Uuid)?;
    let mut current = Executed { source: Source { uuid, tag: Tag::default() }, intervals: Vec::new() };
    let mut numbers_wanted = true;
    for part in parts {
        if part.first().is_some_and(|byte| byte.is_ascii_alphabetic() || *byte == b'_') {
            let next = Executed { source: Source { uuid, tag: Tag::parse(part)? }, intervals: Vec::new() };
            found.push(std::mem::replace(&mut current, next));
            numbers_wanted = true;
        } else {
            current.intervals.extend(parse_interval(part)?);
            numbers_wanted = false;
        }
    }
    if numbers_wanted {
        return Err(GtidError::Number);
    }
    found.push(current);
    Ok(())
}

/// An interval that ends before it begins is empty, as it is for the server.
fn parse_interval(text: &[u8]) -> Result<Option<Interval>, GtidError> {
    let mut ends = text.splitn(2, |byte| *byte == b'-').map(|end| number(end.trim_ascii()));
    let first = ends.next().ok_or(GtidError::Number)??;
    let last = ends.next().unwrap_or(Ok(first))?;
    Ok((first <= last).then_some(Interval { first, last }))
}

fn number(text: &[u8]) -> Result<u64, GtidError> {
    // One less than the greatest, so that "the one after" always fits.
    decimal(text).filter(|number| (1..MAX_NUMBER).contains(number)).ok_or(GtidError::Number)
}

pub(super) fn parse_uuid(text: &[u8]) -> Option<[u8; 16]> {
    let mut uuid = [0u8; 16];
    let mut digits = 0usize;
    for (at, byte) in text.iter().enumerate() {
        if *byte == b'-' && text.len() == 36 && matches!(at, 8 | 13 | 18 | 23) {
            continue;
        }
        let digit = u8::try_from(char::from(*byte).to_digit(16)?).ok()?;
        let place = uuid.get_mut(digits / 2)?;
        *place = (*place << 4) | digit;
        digits += 1;
    }
    (digits == 32).then_some(uuid)
}

impl Tag {
    fn parse(text: &[u8]) -> Result<Self, GtidError> {
        let mut bytes = [0u8; MAX_TAG];
        let place = bytes.get_mut(..text.len()).ok_or(GtidError::Tag)?;
        if !text.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_') {
            return Err(GtidError::Tag);
        }
        place.copy_from_slice(text);
        place.make_ascii_lowercase();
        Ok(Self { bytes, length: text.len() as u8 })
    }

    fn text(&self) -> &str {
        std::str::from_utf8(&self.bytes[..usize::from(self.length)]).unwrap_or_default()
    }
}

impl fmt::Debug for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, byte) in self.uuid.iter().enumerate() {
            let dash = if matches!(at, 4 | 6 | 8 | 10) { "-" } else { "" };
            write!(f, "{dash}{byte:02x}")?;
        }
        if self.tag.length > 0 {
            write!(f, ":{}", self.tag.text())?;
        }
        Ok(())
    }
}

impl fmt::Display for Set {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, executed) in self.0.iter().enumerate() {
            let comma = if at == 0 { "" } else { "," };
            write!(f, "{comma}{}", executed.source)?;
            for Interval { first, last } in &executed.intervals {
                write!(f, ":{first}")?;
                if last > first {
                    write!(f, "-{last}")?;
                }
            }
        }
        Ok(())
    }
}
