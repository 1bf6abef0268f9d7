/// Reports what the process takes. Where the system has no /proc it reports nothing.
pub fn report() {
    #[cfg(target_os = "linux")]
    if let Err(error) = linux::report() {
        tracing::debug!(%error, "what the process takes is not known");
    }
}

#[cfg(target_os = "linux")]
mod linux {
    use metrics::{counter, gauge};
    use procfs::{CurrentSI, ProcResult, WithCurrentSystemInfo, process::Process};

    use crate::telemetry::names::{CPU, MAX_FDS, OPEN_FDS, RESIDENT, STARTED};

    pub fn report() -> ProcResult<()> {
        let process = Process::myself()?;
        let stat = process.stat()?;
        let ticks = procfs::ticks_per_second();
        counter!(CPU.name).absolute((stat.utime + stat.stime) / ticks);
        gauge!(RESIDENT.name).set(stat.rss_bytes().get() as f64);
        gauge!(OPEN_FDS.name).set(process.fd_count()? as f64);
        if let procfs::process::LimitValue::Value(most) = process.limits()?.max_open_files.soft_limit {
            gauge!(MAX_FDS.name).set(most as f64);
        }
        let booted = procfs::KernelStats::current()?.btime;
        gauge!(STARTED.name).set(booted as f64 + stat.starttime as f64 / ticks as f64);
        Ok(())
    }
}
