//! Enums with a list of their variants.

/// Defines an enum without fields, and a list of all its variants as `ALL`.
macro_rules! with_all {
    ($(#[$docs:meta])* $name:ident { $($(#[$about:meta])* $variant:ident,)* }) => {
        $(#[$docs])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum $name {
            $($(#[$about])* $variant,)*
        }

        impl $name {
            pub(crate) const ALL: &[Self] = &[$(Self::$variant),*];
        }
    };
}

pub(crate) use with_all;
