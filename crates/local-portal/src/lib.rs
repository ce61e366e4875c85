//! HTTPS 8086: health, metrics, status
