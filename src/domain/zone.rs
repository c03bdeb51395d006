//! Where a shopper's clock stands: time zones by name, or by country where that is all we know.
//!
//! The rules of every zone are built in: the same binary decides the same everywhere, and the core reads no file.
//! Read next: `domain/quiet.rs`.

use std::fmt;

use jiff::tz::TimeZone;

use super::content::Shopper;

/// A time zone of the IANA database.
#[derive(Clone, PartialEq, Eq)]
pub struct Zone(TimeZone);

impl Zone {
    /// Coordinated universal time.
    #[must_use]
    pub const fn utc() -> Self {
        Self(TimeZone::UTC)
    }

    /// Finds a zone by its IANA name, such as `Europe/Berlin`.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        TimeZone::get(name).ok().map(Self)
    }

    /// Its IANA name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.0.iana_name().unwrap_or("UTC")
    }

    pub(super) const fn rules(&self) -> &TimeZone {
        &self.0
    }

    /// Where this shopper may be: the zone they gave, else the outermost zones of their country, else the shop's.
    #[must_use]
    pub fn of(shopper: &Shopper, shop: &Self) -> Vec<Self> {
        let given = shopper.time_zone.as_deref().and_then(Self::parse);
        let by_country = || shopper.country.as_deref().map(|code| Self::of_country(&code.to_ascii_uppercase()));
        let zones = given.map_or_else(|| by_country().unwrap_or_default(), |zone| vec![zone]);
        if zones.is_empty() { vec![shop.clone()] } else { zones }
    }

    /// The easternmost and the westernmost zone where many people of a country live; nothing when we do not know it.
    fn of_country(code: &str) -> Vec<Self> {
        let at = COUNTRIES.binary_search_by_key(&code, |(country, _)| country);
        let names = at.ok().and_then(|at| COUNTRIES.get(at)).map_or(&[][..], |(_, zones)| *zones);
        names.iter().filter_map(|name| Self::parse(name)).collect()
    }
}

impl fmt::Debug for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// ISO 3166 codes in order; of a country with several zones the outermost two where many people live.
const COUNTRIES: &[(&str, &[&str])] = &[
    ("AE", &["Asia/Dubai"]),
    ("AR", &["America/Argentina/Buenos_Aires"]),
    ("AT", &["Europe/Vienna"]),
    ("AU", &["Australia/Sydney", "Australia/Perth"]),
    ("BA", &["Europe/Sarajevo"]),
    ("BD", &["Asia/Dhaka"]),
    ("BE", &["Europe/Brussels"]),
    ("BG", &["Europe/Sofia"]),
    ("BO", &["America/La_Paz"]),
    ("BR", &["America/Sao_Paulo", "America/Rio_Branco"]),
    ("BY", &["Europe/Minsk"]),
    ("CA", &["America/St_Johns", "America/Vancouver"]),
    ("CH", &["Europe/Zurich"]),
    ("CL", &["America/Santiago"]),
    ("CN", &["Asia/Shanghai"]),
    ("CO", &["America/Bogota"]),
    ("CR", &["America/Costa_Rica"]),
    ("CY", &["Asia/Nicosia"]),
    ("CZ", &["Europe/Prague"]),
    ("DE", &["Europe/Berlin"]),
    ("DK", &["Europe/Copenhagen"]),
    ("DO", &["America/Santo_Domingo"]),
    ("DZ", &["Africa/Algiers"]),
    ("EC", &["America/Guayaquil"]),
    ("EE", &["Europe/Tallinn"]),
    ("EG", &["Africa/Cairo"]),
    ("ES", &["Europe/Madrid", "Atlantic/Canary"]),
    ("FI", &["Europe/Helsinki"]),
    ("FR", &["Europe/Paris"]),
    ("GB", &["Europe/London"]),
    ("GE", &["Asia/Tbilisi"]),
    ("GH", &["Africa/Accra"]),
    ("GR", &["Europe/Athens"]),
    ("GT", &["America/Guatemala"]),
    ("HK", &["Asia/Hong_Kong"]),
    ("HR", &["Europe/Zagreb"]),
    ("HU", &["Europe/Budapest"]),
    ("ID", &["Asia/Jayapura", "Asia/Jakarta"]),
    ("IE", &["Europe/Dublin"]),
    ("IL", &["Asia/Jerusalem"]),
    ("IN", &["Asia/Kolkata"]),
    ("IS", &["Atlantic/Reykjavik"]),
    ("IT", &["Europe/Rome"]),
    ("JO", &["Asia/Amman"]),
    ("JP", &["Asia/Tokyo"]),
    ("KE", &["Africa/Nairobi"]),
    ("KR", &["Asia/Seoul"]),
    ("KW", &["Asia/Kuwait"]),
    ("KZ", &["Asia/Almaty"]),
    ("LB", &["Asia/Beirut"]),
    ("LI", &["Europe/Vaduz"]),
    ("LK", &["Asia/Colombo"]),
    ("LT", &["Europe/Vilnius"]),
    ("LU", &["Europe/Luxembourg"]),
    ("LV", &["Europe/Riga"]),
    ("MA", &["Africa/Casablanca"]),
    ("MD", &["Europe/Chisinau"]),
    ("ME", &["Europe/Podgorica"]),
    ("MK", &["Europe/Skopje"]),
    ("MT", &["Europe/Malta"]),
    ("MX", &["America/Cancun", "America/Tijuana"]),
    ("MY", &["Asia/Kuala_Lumpur"]),
    ("NG", &["Africa/Lagos"]),
    ("NL", &["Europe/Amsterdam"]),
    ("NO", &["Europe/Oslo"]),
    ("NP", &["Asia/Kathmandu"]),
    ("NZ", &["Pacific/Auckland"]),
    ("PA", &["America/Panama"]),
    ("PE", &["America/Lima"]),
    ("PH", &["Asia/Manila"]),
    ("PK", &["Asia/Karachi"]),
    ("PL", &["Europe/Warsaw"]),
    ("PT", &["Europe/Lisbon", "Atlantic/Azores"]),
    ("PY", &["America/Asuncion"]),
    ("QA", &["Asia/Qatar"]),
    ("RO", &["Europe/Bucharest"]),
    ("RS", &["Europe/Belgrade"]),
    ("RU", &["Asia/Vladivostok", "Europe/Kaliningrad"]),
    ("SA", &["Asia/Riyadh"]),
    ("SE", &["Europe/Stockholm"]),
    ("SG", &["Asia/Singapore"]),
    ("SI", &["Europe/Ljubljana"]),
    ("SK", &["Europe/Bratislava"]),
    ("TH", &["Asia/Bangkok"]),
    ("TN", &["Africa/Tunis"]),
    ("TR", &["Europe/Istanbul"]),
    ("TW", &["Asia/Taipei"]),
    ("UA", &["Europe/Kyiv"]),
    ("US", &["America/New_York", "America/Los_Angeles"]),
    ("UY", &["America/Montevideo"]),
    ("VE", &["America/Caracas"]),
    ("VN", &["Asia/Ho_Chi_Minh"]),
    ("ZA", &["Africa/Johannesburg"]),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_country_is_in_order_and_its_zones_are_known() {
        assert!(COUNTRIES.is_sorted_by_key(|(code, _)| *code));
        for (code, zones) in COUNTRIES {
            assert_eq!(Zone::of_country(code).len(), zones.len(), "{code}");
        }
    }

    #[test]
    fn a_shopper_is_where_they_say_else_in_their_country_else_in_the_shops() {
        let shop = Zone::parse("Europe/Berlin").expect("known");
        let of = |time_zone: Option<&str>, country: Option<&str>| {
            let (time_zone, country) = (time_zone.map(str::to_owned), country.map(str::to_owned));
            let zones = Zone::of(&Shopper { time_zone, country, ..Shopper::default() }, &shop);
            zones.iter().map(|zone| zone.name().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(of(Some("Asia/Tokyo"), Some("US")), ["Asia/Tokyo"]);
        assert_eq!(of(Some("Mars/Crater"), Some("us")), ["America/New_York", "America/Los_Angeles"]);
        assert_eq!(of(None, Some("AQ")), ["Europe/Berlin"]);
        assert_eq!(of(None, None), ["Europe/Berlin"]);
    }
}
