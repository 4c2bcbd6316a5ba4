//! Why the driver refuses a URL: found out by trial, because the driver's own words print a part of it.

use crate::error::Error;
use crate::kind::ErrorKind;
use futures_util::FutureExt as _;
use mongodb::options::{ClientOptions, ConnectionString};

/// Whether the driver takes the URL, as far as it can tell without DNS.
pub(super) fn is_accepted(url: &str) -> bool {
    let Ok(string) = ConnectionString::parse(url) else {
        return false;
    };
    // With SRV the rest needs DNS: not ready is no refusal.
    !url.starts_with("mongodb://")
        || ClientOptions::parse(string)
            .into_future()
            .now_or_never()
            .is_none_or(|parsed| parsed.is_ok())
}

/// The refusal in our words. Nothing of the URL is in them but the name of an option that the specification has.
pub(super) fn by_driver(url: &str) -> Error {
    let error = |words: String| Error::new(ErrorKind::Config, words);
    let (front, query) = url.split_once('?').unwrap_or((url, ""));
    let pairs: Vec<&str> = query.split('&').filter(|pair| !pair.is_empty()).collect();
    let accepts = |pairs: &[&str]| is_accepted(&format!("{front}?{}", pairs.join("&")));
    // The one without which the rest is right.
    let culprit = (0..pairs.len()).find(|index| {
        let mut others = pairs.clone();
        others.remove(*index);
        accepts(&others)
    });
    let Some(index) = culprit else {
        if accepts(&[]) {
            return error("the driver refuses several options of the url".to_owned())
                .help("try them one by one: each must be known to the driver, and have a value of its type");
        }
        return error("the driver refuses the database or the login of the url".to_owned())
            .help("write a database without `/\\ \"$`, and a username before the `@`");
    };
    let name = pairs[index].split('=').next().unwrap_or_default();
    // Our own parser knows the names: what is left is a value, or an option that this driver lacks.
    let known = registry_config::url_option(name).unwrap_or("an option");
    error(format!(
        "the driver refuses `{known}` in the url: with this value, beside the others, or at all"
    ))
    .help(format!("correct the value of `{known}`, or remove it"))
}
