//! The metrics that alert rules and dashboards name: each is one that the proxy really shows, with those labels.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use mysql_proxy::metrics::{MemberRow, Metrics, Outcome, RouteNames, Scrape};
use serde_json::Value;

use crate::document::{Complaint, Document, Rendering, text, walk};
use crate::exposition::Exposition;
use crate::mounted::entries;

/// Labels that Prometheus adds to whatever it scrapes in Kubernetes.
const ADDED: [&str; 7] = ["job", "instance", "namespace", "service", "pod", "container", "endpoint"];

/// By name as it stands in a query: the values of each label.
type Known = BTreeMap<String, BTreeMap<String, BTreeSet<String>>>;

/// An expression and where it stands.
pub struct Expression<'a> {
    document: &'a Document,
    field: String,
    /// PromQL.
    pub text: String,
}

/// All complaints about a rendering.
pub fn check(rendering: &Rendering) -> Vec<Complaint> {
    let known = shown_by_the_proxy();
    let mut complaints = Vec::new();
    for expression in expressions(rendering) {
        let wrong = about(&expression.text, &known);
        complaints.extend(wrong.into_iter().map(|wrong| expression.document.complaint(&expression.field, wrong)));
    }
    complaints
}

/// Everything that asks for metrics.
pub fn expressions(rendering: &Rendering) -> Vec<Expression<'_>> {
    let mut found = Vec::new();
    for document in rendering.of_kind("PrometheusRule") {
        found.extend(expressions_in(document, &document.value, ""));
    }
    for document in
        rendering.of_kind("ConfigMap").filter(|it| !text(&it.value, "/metadata/labels/grafana_dashboard").is_empty())
    {
        for (key, json) in entries(document) {
            let dashboard: Value = serde_json::from_slice(&json).unwrap_or_default();
            assert!(dashboard.is_object(), "{}: data[{key}] is no JSON object", document.file);
            found.extend(expressions_in(document, &dashboard, &format!("data[{key}]")));
        }
    }
    found
}

fn expressions_in<'a>(document: &'a Document, value: &Value, path: &str) -> Vec<Expression<'a>> {
    let mut found = Vec::new();
    walk(value, path, &mut |path, value| {
        if let Some(text) = value.as_str().filter(|_| path.rsplit('.').next() == Some("expr")) {
            found.push(Expression { document, field: path.to_owned(), text: text.to_owned() });
        }
    });
    found
}

/// What is wrong with an expression.
fn about(expression: &str, known: &Known) -> Vec<String> {
    let mut wrong = Vec::new();
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let starts: Vec<usize> = expression
        .match_indices("mysql_proxy_")
        .map(|(at, _)| at)
        .filter(|at| !expression[..*at].ends_with(is_word))
        .collect();
    if starts.is_empty() {
        wrong.push("asks for none of the proxy's metrics".to_owned());
    }
    for at in starts {
        let rest = &expression[at..];
        let (name, rest) = rest.split_at(rest.find(|c| !is_word(c)).unwrap_or(rest.len()));
        let Some(labels) = known.get(name) else {
            wrong.push(format!("the proxy shows no metric {name}"));
            continue;
        };
        let matchers = rest.strip_prefix('{').and_then(|rest| rest.split_once('}')).map_or("", |(inside, _)| inside);
        for matcher in matchers.split(',').filter(|matcher| !matcher.trim().is_empty()) {
            wrong.extend(about_matcher(name, matcher, labels));
        }
    }
    let count = |c: char| expression.chars().filter(|it| *it == c).count();
    if [('(', ')'), ('{', '}'), ('[', ']')].into_iter().any(|(open, close)| count(open) != count(close)) {
        wrong.push("a bracket is not closed".to_owned());
    }
    wrong
}

fn about_matcher(name: &str, matcher: &str, labels: &BTreeMap<String, BTreeSet<String>>) -> Option<String> {
    let (label, value) = matcher.split_once(['=', '!'])?;
    let label = label.trim();
    let exact = !value.starts_with(['~', '=']) && !matcher.contains("=~");
    let value = value.trim_start_matches(['=', '~', '!']).trim().trim_matches('"');
    if ADDED.contains(&label) {
        return None;
    }
    let Some(values) = labels.get(label) else { return Some(format!("{name} has no label {label}")) };
    // Members, targets and reasons are as many as there are; the other labels have all their values from the start.
    let open = ["member", "target", "reason", "le"].contains(&label);
    let unknown = exact && !open && !values.contains(value);
    unknown.then(|| format!("{name} has no {label} {value:?}"))
}

fn shown_by_the_proxy() -> Known {
    struct Members;
    impl Scrape for Members {
        fn members(&self) -> Vec<MemberRow> {
            let row = |name: &str, role, lag| MemberRow {
                name: name.to_owned(),
                role,
                up: true,
                lag,
                in_use: 0,
                idle: 0,
                changing: 0,
                queries: 0,
                why_not: None,
                remark: None,
                problem: None,
            };
            vec![row("mysql-0", "primary", None), row("mysql-1", "replica", Some(Duration::ZERO))]
        }
    }
    let metrics = Metrics::new(RouteNames { targets: &["primary", "replica"], reasons: &["write", "read"] });
    // A series of statements is there once a statement has ended so.
    let outcomes = [Outcome::Ok, Outcome::Error, Outcome::Retried, Outcome::Lost, Outcome::Refused, Outcome::Abandoned];
    for outcome in outcomes {
        metrics.query(0, 0, outcome);
    }
    metrics.query_duration(0, Duration::ZERO);
    let exposition = Exposition::parse(&metrics.render(&Members)).unwrap();
    let mut known = Known::new();
    for (series, _) in exposition.families.values().flat_map(|family| &family.series) {
        let labels = known.entry(series.name.clone()).or_default();
        for (label, value) in &series.labels {
            labels.entry(label.clone()).or_default().insert(value.clone());
        }
    }
    known
}

#[test]
fn a_metric_that_the_proxy_does_not_show_is_found() {
    let known = shown_by_the_proxy();
    let complaints = |expression: &str| about(expression, &known).join("; ");
    assert_eq!(complaints("sum(mysql_proxy_member_up{role=\"primary\"}) < 1"), "");
    assert_eq!(complaints("rate(mysql_proxy_query_duration_seconds_bucket{job=\"x\",le=\"1\"}[5m])"), "");
    assert_eq!(complaints("mysql_proxy_member_down"), "the proxy shows no metric mysql_proxy_member_down");
    assert_eq!(
        complaints("mysql_proxy_query_duration_seconds"),
        "the proxy shows no metric mysql_proxy_query_duration_seconds"
    );
    assert_eq!(complaints("mysql_proxy_member_up{rolle=\"primary\"}"), "mysql_proxy_member_up has no label rolle");
    assert_eq!(
        complaints("mysql_proxy_retries_total{verdict=\"unknown\"}"),
        "mysql_proxy_retries_total has no verdict \"unknown\""
    );
    assert_eq!(complaints("sum(mysql_proxy_member_up"), "a bracket is not closed");
    assert_eq!(complaints("up == 0"), "asks for none of the proxy's metrics");
}
