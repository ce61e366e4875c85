//! What the web faces share: TLS accept loop with limits, certificate, headers, errors
