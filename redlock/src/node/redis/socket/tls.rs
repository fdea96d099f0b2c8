//! Why a TLS connection failed, and what to do about it.

use std::io;

use rustls::{AlertDescription, CertificateError, Error};

/// The cause and its remedy. `None` if it is no error of TLS.
pub(super) fn text(error: &io::Error) -> Option<String> {
    let cause = error.get_ref()?.downcast_ref::<Error>()?;
    Some(match remedy(cause) {
        Some(remedy) => format!("TLS: {cause}: {remedy}"),
        None => format!("TLS: {cause}"),
    })
}

/// Whether the error is one of two that speak TLS with each other.
pub(super) fn both_speak_tls(error: &io::Error) -> bool {
    let cause = error.get_ref().and_then(|cause| cause.downcast_ref());
    cause.is_some_and(|cause| {
        !matches!(
            cause,
            Error::InvalidMessage(_) | Error::InappropriateMessage { .. }
        )
    })
}

fn remedy(cause: &Error) -> Option<&'static str> {
    match cause {
        Error::InvalidCertificate(cause) => of_certificate(cause),
        Error::AlertReceived(alert) => of_alert(*alert),
        _ => None,
    }
}

/// This client refuses the server's certificate.
fn of_certificate(cause: &CertificateError) -> Option<&'static str> {
    Some(match cause {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "renew the server's certificate, or correct the clock of this machine"
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "correct the clock of this machine, or wait until the server's certificate is valid"
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "write the node's address with a name that its certificate has"
        }
        CertificateError::UnknownIssuer => {
            "if its authority is a private one, pass the authority's certificate as `root_certificate`"
        }
        CertificateError::Other(other) if other.to_string().contains("CaUsedAsEndEntity") => {
            "give the server a certificate of its own, which is not that of an authority"
        }
        _ => return None,
    })
}

/// The server refuses the client's certificate, or its absence.
fn of_alert(alert: AlertDescription) -> Option<&'static str> {
    Some(match alert {
        AlertDescription::CertificateRequired => {
            "the server asks for a certificate of the client: pass one as `client_certificate`"
        }
        AlertDescription::HandshakeFailure => {
            "the server may ask for a certificate of the client (`client_certificate`), or permit other ciphers only"
        }
        AlertDescription::BadCertificate
        | AlertDescription::UnsupportedCertificate
        | AlertDescription::CertificateRevoked
        | AlertDescription::CertificateExpired
        | AlertDescription::CertificateUnknown
        | AlertDescription::UnknownCA
        | AlertDescription::AccessDenied
        | AlertDescription::DecryptError => {
            "the server refuses the client's certificate: pass one of an authority that the server knows as `client_certificate`"
        }
        _ => return None,
    })
}
