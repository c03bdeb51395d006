//! Reports on the operations listener: what is asked for, and in which form it is answered.
//!
//! The numbers are made in `reports.rs` from stored tallies. Nothing personal is in them; an admin key is needed because
//! they are the merchant's. Read next: `docs/reports.md` for what each number means.

use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::http::header::{ACCEPT, CONTENT_DISPOSITION, HeaderMap, VARY};
use actix_web::{HttpRequest, HttpResponse};
use futures_util::future::try_join_all;
use serde::Serialize;

use super::access::ShopAccess;
use super::auth::{SHOP_HEADER, authenticate, shop_of};
use super::call::state;
use super::carts::private;
use super::faults::{At, Faults};
use super::problem::Problem;
use super::query::Query;
use super::receipt::json;
use crate::config::Role;
use crate::domain::Day;
use crate::reports::funnel::FunnelReport;
use crate::reports::lift::LiftReport;
use crate::reports::reasons::ReasonsReport;
use crate::reports::recovery::RecoveryReport;
use crate::reports::{Period, Sheet, Tallied};

/// How many days a report is about when nothing is said.
const DAYS_DEFAULT: i32 = 30;
/// Three years.
const DAYS_MAX: i32 = 1_096;
/// UTF-8 is said twice: here, and by the byte order mark, for who opens the file.
const CSV: &str = "text/csv; charset=utf-8; header=present";

/// How far the carts that began in the period came.
#[utoipa::path(get, path = "/v1/reports/funnel", tag = "reports",
    responses((status = 200, description = "The report.",
        content((FunnelReport = "application/json"), (String = "text/csv")))))]
pub async fn funnel(req: HttpRequest) -> Result<HttpResponse, Problem> {
    answer(&req, "funnel", FunnelReport::of, FunnelReport::sheet).await
}

/// Why carts were left.
#[utoipa::path(get, path = "/v1/reports/reasons", tag = "reports",
    responses((status = 200, description = "The report.",
        content((ReasonsReport = "application/json"), (String = "text/csv")))))]
pub async fn reasons(req: HttpRequest) -> Result<HttpResponse, Problem> {
    answer(&req, "reasons", ReasonsReport::of, ReasonsReport::sheet).await
}

/// What became of the reminders, and what was bought after an abandonment.
#[utoipa::path(get, path = "/v1/reports/recovery", tag = "reports",
    responses((status = 200, description = "The report.",
        content((RecoveryReport = "application/json"), (String = "text/csv")))))]
pub async fn recovery(req: HttpRequest) -> Result<HttpResponse, Problem> {
    answer(&req, "recovery", RecoveryReport::of, RecoveryReport::sheet).await
}

/// What the reminders changed.
#[utoipa::path(get, path = "/v1/reports/lift", tag = "reports",
    responses((status = 200, description = "The report.",
        content((LiftReport = "application/json"), (String = "text/csv")))))]
pub async fn lift(req: HttpRequest) -> Result<HttpResponse, Problem> {
    answer(&req, "lift", LiftReport::of, LiftReport::sheet).await
}

async fn answer<R: Serialize>(
    req: &HttpRequest,
    name: &str,
    report: fn(&Tallied) -> R,
    sheet: fn(&Tallied) -> Sheet,
) -> Result<HttpResponse, Problem> {
    let tallied = read(req).await?;
    let mut response = if wants_csv(req.headers()) {
        let Period { from, to } = tallied.period;
        let file = format!("attachment; filename=\"cartwake-{name}-{from}-{to}.csv\"");
        let body = sheet(&tallied).to_csv();
        HttpResponse::Ok().content_type(CSV).insert_header((CONTENT_DISPOSITION, file)).body(body)
    } else {
        json(StatusCode::OK, &report(&tallied))?
    };
    response.headers_mut().insert(VARY, actix_web::http::header::HeaderValue::from_static("accept"));
    Ok(private(response))
}

/// The tallies that the query asks for: of one shop, or of all that the key may see.
async fn read(req: &HttpRequest) -> Result<Tallied, Problem> {
    let state = state(req)?;
    let access = state.access();
    let entry = authenticate(req, &access, Role::Admin)?;
    let query = Query::parse(req.query_string(), &["from", "to", "shop"])?;
    let is_one = query.get("shop").is_some() || req.headers().contains_key(SHOP_HEADER) || entry.shop.is_some();
    let shops: Vec<Arc<ShopAccess>> =
        if is_one { vec![shop_of(req, &access, entry, query.get("shop"))?] } else { access.shops().to_vec() };
    let period = period(&query, state.engine.now().day())?;
    let store = state.engine.store();
    let reads = shops.iter().map(|shop| store.tallies(&shop.id, period.from, period.to));
    let tallies = try_join_all(reads).await?;
    Ok(Tallied::new(period, shops.iter().map(|shop| shop.id.clone()).zip(tallies).collect()))
}

fn period(query: &Query, today: Day) -> Result<Period, Problem> {
    let mut faults = Faults::none();
    let mut day = |name: &str| {
        let parsed = query.get(name).map(Day::parse);
        if matches!(parsed, Some(Err(_))) {
            faults.add(&At::Root.field(name), "must be a day such as 2026-11-22");
        }
        parsed.and_then(Result::ok)
    };
    let (from, to) = (day("from"), day("to"));
    let to = to.unwrap_or(today);
    let from = from.unwrap_or_else(|| Day::from_number(to.number() - (DAYS_DEFAULT - 1)));
    if faults.is_empty() && from > to {
        faults.add(&At::Root.field("from"), "must not be after to");
    }
    if faults.is_empty() && to.number() - from.number() >= DAYS_MAX {
        faults.add(&At::Root.field("from"), format!("must be at most {DAYS_MAX} days before the end"));
    }
    if faults.is_empty() { Ok(Period { from, to }) } else { Err(Query::refuse(faults)) }
}

/// Whether CSV is preferred to JSON (RFC 9110, 12.5.1); JSON where both are as good.
fn wants_csv(headers: &HeaderMap) -> bool {
    let ranges = headers.get_all(ACCEPT).filter_map(|value| value.to_str().ok()).flat_map(|text| text.split(','));
    let (mut csv, mut other) = (0.0_f64, 0.0_f64);
    for range in ranges {
        let mut parts = range.split(';').map(str::trim);
        let media = parts.next().unwrap_or_default().to_ascii_lowercase();
        let quality = parts.find_map(|part| part.strip_prefix("q=")).map_or(Ok(1.0), str::parse).unwrap_or(0.0);
        match media.as_str() {
            "text/csv" => csv = csv.max(quality),
            "application/json" | "application/*" | "*/*" => other = other.max(quality),
            _ => {}
        }
    }
    csv > other || (csv > 0.0 && csv >= other && !names_json(headers))
}

/// `*/*` beside `text/csv` means: CSV, or whatever there is.
fn names_json(headers: &HeaderMap) -> bool {
    headers.get_all(ACCEPT).any(|value| value.to_str().is_ok_and(|text| text.contains("application/json")))
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;

    use super::*;

    fn asked(query: &str) -> Result<(String, String), Vec<String>> {
        let query = Query::parse(query, &["from", "to", "shop"]).expect("known parameters");
        let today = Day::parse("2026-11-22").expect("a day");
        match period(&query, today) {
            Ok(Period { from, to }) => Ok((from.to_string(), to.to_string())),
            Err(problem) => Err(problem.errors().iter().map(|fault| fault.pointer.clone()).collect()),
        }
    }

    #[test]
    fn a_period_is_the_last_thirty_days_unless_it_is_said() {
        let days = |from: &str, to: &str| Ok((from.to_owned(), to.to_owned()));
        assert_eq!(asked(""), days("2026-10-24", "2026-11-22"));
        assert_eq!(asked("from=2026-11-22"), days("2026-11-22", "2026-11-22"));
        assert_eq!(asked("to=2026-03-31"), days("2026-03-02", "2026-03-31"));
        for (query, bad) in [
            ("from=2026-11-23", "/from"),
            ("from=2026-02-30", "/from"),
            ("to=22.11.2026", "/to"),
            ("from=2023-11-22&to=2026-11-22", "/from"),
        ] {
            assert_eq!(asked(query), Err(vec![bad.to_owned()]), "{query}");
        }
    }

    #[test]
    fn csv_is_given_to_who_prefers_it() {
        for (accept, expected) in [
            ("text/csv", true),
            ("text/csv, */*", true),
            ("text/csv;q=0.9, */*;q=0.1", true),
            ("application/json, text/csv", false),
            ("text/csv;q=0.5, application/json", false),
            ("text/csv;q=0", false),
            ("*/*", false),
            ("text/html", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT, HeaderValue::from_static(accept));
            assert_eq!(wants_csv(&headers), expected, "{accept}");
        }
        assert!(!wants_csv(&HeaderMap::new()));
    }
}
