//! A strict reader of Prometheus text, version 0.0.4: refuses what a Prometheus would refuse, and what it would warn of.

use std::collections::{BTreeMap, BTreeSet};

/// A whole scrape.
#[derive(Debug, Default)]
pub struct Exposition {
    /// By name.
    pub families: BTreeMap<String, Family>,
}

/// One metric with all its series.
#[derive(Debug, Default)]
pub struct Family {
    /// `counter`, `gauge` or `histogram`.
    pub kind: String,
    /// In the order of the text.
    pub series: Vec<(Series, f64)>,
}

/// What identifies a series.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Series {
    /// With `_bucket`, `_sum` or `_count` for a histogram.
    pub name: String,
    /// By name, unescaped.
    pub labels: BTreeMap<String, String>,
}

impl Exposition {
    /// Reads the text, or says what is wrong with it.
    pub fn parse(text: &str) -> Result<Exposition, String> {
        if !text.ends_with('\n') {
            return Err("the last line has no end".to_owned());
        }
        let mut exposition = Exposition::default();
        let mut helped = BTreeSet::new();
        let mut seen = BTreeSet::new();
        let mut current = String::new();
        for line in text.lines().filter(|line| !line.is_empty()) {
            let wrong = |what: &str| format!("{what}: {line}");
            if let Some(help) = line.strip_prefix("# HELP ") {
                let (name, text) = help.split_once(' ').ok_or_else(|| wrong("HELP without a text"))?;
                if text.is_empty() || !helped.insert(name.to_owned()) {
                    return Err(wrong("HELP is empty or comes twice"));
                }
            } else if let Some(kind) = line.strip_prefix("# TYPE ") {
                let (name, kind) = kind.split_once(' ').ok_or_else(|| wrong("TYPE without a type"))?;
                let known = ["counter", "gauge", "histogram"].contains(&kind);
                let family = Family { kind: kind.to_owned(), series: Vec::new() };
                if !known || !helped.contains(name) || exposition.families.insert(name.to_owned(), family).is_some() {
                    return Err(wrong("TYPE is unknown, without HELP, or comes twice"));
                }
                name.clone_into(&mut current);
            } else if line.starts_with('#') {
                return Err(wrong("an unknown comment"));
            } else {
                let (series, value) = sample(line).map_err(|what| wrong(&what))?;
                let family = exposition.families.get_mut(&current).ok_or_else(|| wrong("a series before any TYPE"))?;
                family.admit(&current, &series, value).map_err(|what| wrong(&what))?;
                if !seen.insert(series.clone()) {
                    return Err(wrong("the same series twice"));
                }
                family.series.push((series, value));
            }
        }
        for (name, family) in exposition.families.iter().filter(|(_, family)| family.kind == "histogram") {
            family.check_histogram(name)?;
        }
        Ok(exposition)
    }

    /// The value of a series, whatever the order of its labels.
    pub fn value(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let labels = labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let wanted = Series { name: name.to_owned(), labels };
        self.families.values().flat_map(|family| &family.series).find(|(it, _)| *it == wanted).map(|(_, value)| *value)
    }
}

impl Family {
    fn admit(&self, name: &str, series: &Series, value: f64) -> Result<(), String> {
        let suffixes: &[&str] = if self.kind == "histogram" { &["_bucket", "_sum", "_count"] } else { &[""] };
        if !suffixes.iter().any(|suffix| series.name == format!("{name}{suffix}")) {
            return Err(format!("not a series of the {} {name}", self.kind));
        }
        if (self.kind == "counter") != name.ends_with("_total") {
            return Err("counters, and only they, end with _total".to_owned());
        }
        if self.kind != "gauge" && (value.is_nan() || value < 0.0) {
            return Err("a count below zero".to_owned());
        }
        Ok(())
    }

    /// Buckets ascend and are cumulative, the last is `+Inf` and equals `_count`; there is a `_sum`.
    fn check_histogram(&self, name: &str) -> Result<(), String> {
        let mut buckets: BTreeMap<BTreeMap<String, String>, Vec<(f64, f64)>> = BTreeMap::new();
        let mut whole: BTreeMap<(BTreeMap<String, String>, &str), f64> = BTreeMap::new();
        for (series, value) in &self.series {
            let mut labels = series.labels.clone();
            match (series.name.strip_prefix(name), labels.remove("le")) {
                (Some("_bucket"), Some(le)) => {
                    let bound = le.parse().map_err(|_| format!("{name}: le {le}"))?;
                    buckets.entry(labels).or_default().push((bound, *value));
                }
                (Some(suffix @ ("_sum" | "_count")), None) => {
                    whole.insert((labels, suffix), *value);
                }
                _ => return Err(format!("{name}: {series:?}")),
            }
        }
        for (labels, buckets) in buckets {
            let ascending = buckets.is_sorted_by(|a, b| a.0 < b.0 && a.1 <= b.1);
            let last = buckets.last().copied();
            let count = whole.remove(&(labels.clone(), "_count"));
            let sum = whole.remove(&(labels.clone(), "_sum"));
            let complete = last.is_some_and(|(bound, value)| bound == f64::INFINITY && Some(value) == count);
            if !ascending || !complete || sum.is_none() {
                return Err(format!("{name}{labels:?}: buckets {buckets:?}, count {count:?}, sum {sum:?}"));
            }
        }
        if whole.is_empty() { Ok(()) } else { Err(format!("{name}: without buckets: {whole:?}")) }
    }
}

/// `name{label="value",…} number`
fn sample(line: &str) -> Result<(Series, f64), String> {
    let end = line.find(['{', ' ']).ok_or("no value")?;
    let (name, mut rest) = line.split_at(end);
    is_name(name, true)?;
    let mut labels = BTreeMap::new();
    if let Some(inside) = rest.strip_prefix('{') {
        rest = inside;
        loop {
            let (label, value) = rest.split_once("=\"").ok_or("a label without a value")?;
            is_name(label, false)?;
            let (value, after) = unescaped(value)?;
            if labels.insert(label.to_owned(), value).is_some() {
                return Err(format!("the label {label} twice"));
            }
            match (after.strip_prefix(','), after.strip_prefix('}')) {
                (Some(more), _) => rest = more,
                (None, Some(end)) => {
                    rest = end;
                    break;
                }
                (None, None) => return Err("labels without an end".to_owned()),
            }
        }
    }
    let number = rest.strip_prefix(' ').ok_or("no blank before the value")?;
    let value = number.parse().map_err(|_| format!("{number:?} is no number"))?;
    Ok((Series { name: name.to_owned(), labels }, value))
}

fn is_name(name: &str, colons: bool) -> Result<(), String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '_' || colons && c == ':';
    let sound = name.chars().all(fits) && name.starts_with(|c: char| !c.is_ascii_digit());
    if sound { Ok(()) } else { Err(format!("{name:?} is no name")) }
}

/// Up to the closing quote, and what follows it.
fn unescaped(text: &str) -> Result<(String, &str), String> {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Ok((value, &text[at + 1..])),
            '\\' => match chars.next() {
                Some((_, 'n')) => value.push('\n'),
                Some((_, c @ ('\\' | '"'))) => value.push(c),
                _ => return Err("an unknown escape".to_owned()),
            },
            c => value.push(c),
        }
    }
    Err("a label's value without an end".to_owned())
}

#[test]
fn the_reader_is_strict() {
    let head = "# HELP a_total x\n# TYPE a_total counter\n";
    assert!(Exposition::parse(&format!("{head}a_total{{b=\"c\"}} 1\na_total 2\n")).is_ok());
    let histogram = "# HELP h x\n# TYPE h histogram\n";
    let good = "h_bucket{le=\"1\"} 1\nh_bucket{le=\"+Inf\"} 2\nh_sum 3\nh_count 2\n";
    assert!(Exposition::parse(&format!("{histogram}{good}")).is_ok());
    for bad in [
        format!("{head}a_total 1\na_total 1\n"),
        format!("{head}a_total 1\n{head}"),
        format!("{head}b_total 1\n"),
        format!("{head}a_total -1\n"),
        format!("{head}a_total{{b=\"c\"}}1\n"),
        format!("{head}a_total{{b=\"\\x\"}} 1\n"),
        format!("{head}a_total{{b=\"c\",b=\"d\"}} 1\n"),
        format!("{head}a_total 1"),
        "# TYPE a_total counter\na_total 1\n".to_owned(),
        "# HELP a x\n# TYPE a counter\na 1\n".to_owned(),
        format!("{histogram}{}", good.replace("} 1", "} 3")),
        format!("{histogram}{}", good.replace("h_sum 3\n", "")),
        format!("{histogram}{}", good.replace("h_count 2", "h_count 3")),
        format!("{histogram}{}", good.replace("+Inf", "2")),
        format!("{histogram}h_sum 1\nh_count 1\n"),
    ] {
        assert!(Exposition::parse(&bad).is_err(), "{bad}");
    }
}
