//! A handle on hosts as the loop that opens connections sees it.

/// Makes a handle what opens, closes and is looked after, by what its hosts are.
macro_rules! sql_connection {
    ($handle:ident) => {
        impl $crate::connection::Connection for $handle {
            fn base(&self) -> &::std::sync::Arc<$crate::base::Base> {
                &self.inner.base
            }

            fn open(
                &self,
            ) -> BoxFuture<'_, ::core::result::Result<$crate::connection::Opened, $crate::Error>> {
                Box::pin(self.inner.open())
            }

            fn probe(&self) -> BoxFuture<'_, ::core::result::Result<(), $crate::Error>> {
                Box::pin(self.inner.probe())
            }

            fn fail_fast(&self) {
                self.inner.fail_fast();
            }

            fn refresh(&self) -> ::core::result::Result<bool, $crate::Error> {
                self.inner.refresh()
            }

            fn prefer_first_host(&self) -> bool {
                self.inner.prefer_first_host()
            }

            fn shutdown(&self) -> BoxFuture<'_, ()> {
                Box::pin(self.inner.shutdown())
            }

            fn sessions(&self) -> Option<$crate::status::Sessions> {
                self.inner.sessions()
            }

            fn hosts(&self) -> String {
                self.inner.shown_hosts()
            }

            fn instance(&self) -> ::core::result::Result<$crate::connection::Instance, $crate::Error> {
                self.inner
                    .client()
                    .map($crate::connection::Instance::$handle)
            }
        }
    };
}
pub(crate) use sql_connection;
