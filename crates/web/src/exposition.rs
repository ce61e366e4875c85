//! A page of metrics in the format that the asker reads: OpenMetrics, or Prometheus' older text.

use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};

const OPEN_METRICS: HeaderValue =
    HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");
const CLASSIC: HeaderValue = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");

/// Answers with `page`, which is OpenMetrics text.
#[must_use]
pub fn respond(request: &HeaderMap, page: String) -> Response {
    let accepts = request
        .get(header::ACCEPT)
        .and_then(|accept| accept.to_str().ok());
    if accepts.is_some_and(|accept| accept.contains("application/openmetrics-text")) {
        return ([(header::CONTENT_TYPE, OPEN_METRICS)], page).into_response();
    }
    ([(header::CONTENT_TYPE, CLASSIC)], classic(&page)).into_response()
}

/// The older format describes a counter under the name of its sample, `…_total`, and has no end mark.
fn classic(page: &str) -> String {
    let counters: Vec<&str> = page
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.strip_suffix(" counter"))
        .collect();
    let mut out = String::with_capacity(page.len() + 16 * counters.len());
    for line in page.lines().filter(|line| *line != "# EOF") {
        let described = line
            .strip_prefix("# HELP ")
            .or_else(|| line.strip_prefix("# TYPE "));
        match described.and_then(|rest| rest.split_once(' ')) {
            Some((name, rest)) if counters.contains(&name) => {
                out.push_str(&line[..7]);
                out.push_str(name);
                out.push_str("_total ");
                out.push_str(rest);
            }
            _ => out.push_str(line),
        }
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "# HELP a Things\n# TYPE a counter\na_total{k=\"v\"} 1\n\
                        # HELP b How\n# TYPE b gauge\nb 2.0\n# EOF\n";

    #[test]
    fn answers_in_the_format_that_is_asked_for() {
        let mut headers = HeaderMap::new();
        let content_type = |headers: &HeaderMap| {
            respond(headers, PAGE.to_owned()).headers()[header::CONTENT_TYPE].clone()
        };
        assert_eq!(content_type(&headers), CLASSIC);
        let accept = "application/openmetrics-text;version=1.0.0,text/plain;q=0.5";
        headers.insert(header::ACCEPT, HeaderValue::from_static(accept));
        assert_eq!(content_type(&headers), OPEN_METRICS);
    }

    #[test]
    fn the_older_format_describes_counters_by_the_name_of_their_samples() {
        assert_eq!(
            classic(PAGE),
            "# HELP a_total Things\n# TYPE a_total counter\na_total{k=\"v\"} 1\n\
             # HELP b How\n# TYPE b gauge\nb 2.0\n"
        );
    }
}
