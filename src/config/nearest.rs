//! "Did you mean": the known name that is nearest to an unknown one.

/// The nearest of the candidates, if it is near enough to be meant.
pub(super) fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let far = (name.chars().count() / 3).clamp(1, 3);
    let distance =
        |candidate: &str| strsim::damerau_levenshtein(&name.to_ascii_lowercase(), &candidate.to_ascii_lowercase());
    candidates.into_iter().map(|name| (distance(name), name)).filter(|(d, _)| *d <= far).min().map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn finds_slips_and_leaves_strangers() {
        let known = ["interval", "timeout", "fall", "rise"];
        assert_eq!(nearest("intervall", known), Some("interval"));
        assert_eq!(nearest("Timeuot", known), Some("timeout"));
        assert_eq!(nearest("colour", known), None);
    }
}
