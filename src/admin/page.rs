//! The page at `/`: one file without any outside request, put together from plain ones.
//!
//! Knows the files and their order. Must not know what they show.

/// With a place for the style and one for the script.
const PAGE: &str = include_str!("page/page.html");
const STYLE: &str = include_str!("page/style.css");
/// In an order in which each finds what it needs.
const SCRIPTS: [&str; 6] = [
    include_str!("page/format.js"),
    include_str!("page/api.js"),
    include_str!("page/charts.js"),
    include_str!("page/picture.js"),
    include_str!("page/configuration.js"),
    include_str!("page/main.js"),
];

/// A browser runs and fetches nothing that is not in the page, and shows it inside of no other.
pub(super) const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:; \
    connect-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'";

/// The whole page.
pub(super) fn page() -> String {
    PAGE.replacen("/*STYLE*/", STYLE, 1).replacen("/*SCRIPT*/", &SCRIPTS.concat(), 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_comes_from_elsewhere() {
        let page = page();
        for file in [STYLE, SCRIPTS[0], SCRIPTS[5]] {
            assert!(page.contains(file));
        }
        let names_a_host = |line: &&str| line.contains("//") && line.contains("http") && !line.contains("www.w3.org");
        assert_eq!(page.lines().filter(names_a_host).collect::<Vec<_>>(), Vec::<&str>::new());
        assert!(page.len() < 64 * 1024, "the page has {} bytes", page.len());
    }
}
