//! The proxy: its URL, or a file that holds it, and `NO_PROXY`. No error contains the URL.

use std::path::Path;

use super::super::environment::Environment;
use super::super::layers::Layers;
use super::super::value::ProxyText;
use super::headers::{is_entry, load};
use crate::error::StartError;
use crate::transport::no_proxy::NoProxy;
use crate::transport::proxy::Proxy;

/// The proxy, and the servers to connect to directly.
///
/// # Errors
/// A file that cannot be read, or a text that is not a proxy's URL.
pub(super) fn read_proxy(
    layers: &mut Layers,
    environment: &Environment,
    given: &ProxyText,
) -> Result<Proxy, StartError> {
    const REMEDY: &str =
        "give one such as http://proxy.example:3128, or @FILE with http://USER:PASSWORD@HOST:PORT in it";
    let text = given.0.reveal();
    let proxy = match text.strip_prefix('@') {
        None => Proxy::of(text).map_err(|why| layers.conflict(&["proxy"], why).remedy(REMEDY))?,
        Some(file) => {
            let wrong = |why: String| layers.conflict(&["proxy"], format!("{file}: {why}")).remedy(REMEDY);
            let (text, open_to_others) = load(Path::new(file)).map_err(|e| wrong(e.to_string()))?;
            let line = text.lines().find(|line| is_entry(line)).ok_or_else(|| wrong("it holds no URL".to_owned()))?;
            let proxy = Proxy::of(line).map_err(|why| wrong(why.to_owned()))?;
            if open_to_others && proxy.has_credentials() {
                let why = "every user of this machine can read the proxy's password (chmod 600)";
                layers.warnings.push(format!("{file}: {why}"));
            }
            proxy
        }
    };
    let exceptions = ["NO_PROXY", "no_proxy"].into_iter().find_map(|name| environment.get(name));
    let exceptions = exceptions.map(|list| NoProxy::read(&list.to_string_lossy())).unwrap_or_default();
    Ok(proxy.except(exceptions))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Secret;

    fn read(text: &str, environment: &Environment) -> Result<(Proxy, Vec<String>), String> {
        let mut layers = Layers::default();
        let proxy = read_proxy(&mut layers, environment, &ProxyText(Secret::new(text)));
        proxy.map(|proxy| (proxy, layers.warnings)).map_err(|e| e.to_string())
    }

    #[test]
    fn a_proxy_comes_from_the_option_or_a_file_whose_openness_is_warned_of() {
        use std::os::unix::fs::PermissionsExt as _;
        let nothing = Environment::default();
        assert_eq!(read("http://proxy:3128", &nothing).unwrap().0.to_string(), "http://proxy:3128");
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "\u{feff}# ours\n\nhttp://me:s3cret@proxy:3128\n").unwrap();
        let named = format!("@{}", file.path().display());
        let (proxy, warnings) = read(&named, &nothing).unwrap();
        assert!(proxy.has_credentials() && warnings.is_empty(), "{warnings:?}");
        std::fs::set_permissions(file.path(), std::fs::Permissions::from_mode(0o644)).unwrap();
        let warnings = read(&named, &nothing).unwrap().1;
        assert!(warnings[0].contains("chmod 600") && !warnings[0].contains("s3cret"), "{warnings:?}");
    }

    #[test]
    fn no_proxy_counts_in_capitals_first() {
        let server = |host: &str| crate::transport::endpoint::Endpoint { host: host.into(), port: 80, secure: false };
        let both = Environment::of([("NO_PROXY", "a.example"), ("no_proxy", "b.example")]);
        let (proxy, _) = read("http://proxy", &both).unwrap();
        assert!(!proxy.takes(&server("a.example")) && proxy.takes(&server("b.example")));
        let (proxy, _) = read("http://proxy", &Environment::of([("no_proxy", "b.example")])).unwrap();
        assert!(!proxy.takes(&server("b.example")));
    }

    #[test]
    fn what_is_not_a_proxy_is_refused_without_its_text() {
        for text in
            ["s3cret", "socks5://me:s3cret@proxy", "http://me:s3cret@proxy/x", "http://me:s3/cret@p", "@/nowhere"]
        {
            let error = read(text, &Environment::default()).unwrap_err();
            assert!(error.contains("--proxy") && !error.contains("s3"), "{error}");
        }
    }
}
