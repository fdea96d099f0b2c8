//! The type of the value that a function returns.

use syn::visit::{self, Visit};
use syn::visit_mut::{self, VisitMut};
use syn::{AssocType, GenericArgument, PathArguments, PathSegment, ReturnType, Type, TypeInfer};

/// The `T` of `Future<Output = T>` or `BoxFuture<'_, T>`, anywhere in the return type; `_` if there is none.
pub(super) fn of_future(output: &ReturnType) -> Type {
    struct Find(Option<Type>);
    impl<'ast> Visit<'ast> for Find {
        fn visit_path_segment(&mut self, segment: &'ast PathSegment) {
            if segment.ident != "BoxFuture" && segment.ident != "LocalBoxFuture" {
                visit::visit_path_segment(self, segment);
            } else if let PathArguments::AngleBracketed(arguments) = &segment.arguments
                && let Some(GenericArgument::Type(output)) = arguments.args.last()
            {
                self.0.get_or_insert_with(|| output.clone());
            }
        }

        fn visit_assoc_type(&mut self, assoc: &'ast AssocType) {
            if assoc.ident == "Output" {
                self.0.get_or_insert_with(|| assoc.ty.clone());
            }
        }
    }
    let mut find = Find(None);
    find.visit_return_type(output);
    find.0.unwrap_or_else(|| syn::parse_quote!(_))
}

/// The type with `_` in place of each `impl Trait`, whose type only the compiler knows.
pub(crate) fn without_impl(ty: &Type) -> Type {
    struct Erase;
    impl VisitMut for Erase {
        fn visit_type_mut(&mut self, ty: &mut Type) {
            match ty {
                Type::ImplTrait(given) => {
                    *ty = Type::Infer(TypeInfer {
                        attrs: Vec::new(),
                        underscore_token: syn::Token![_](given.impl_token.span),
                    });
                }
                other => visit_mut::visit_type_mut(self, other),
            }
        }
    }
    let mut ty = ty.clone();
    Erase.visit_type_mut(&mut ty);
    ty
}
