//! System calls out of reach, by a seccomp filter.

use std::collections::BTreeMap;

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    apply_filter,
};

use crate::orders::Sockets;

/// Calls that look into or steer other processes, change the machine, make namespaces and mounts, get at files past
/// their paths, or reach far into the kernel. No build and no test of a program needs them.
const DANGEROUS: &[i64] = &[
    libc::SYS_acct,
    libc::SYS_add_key,
    libc::SYS_adjtimex,
    libc::SYS_bpf,
    libc::SYS_chroot,
    libc::SYS_clock_adjtime,
    libc::SYS_clock_settime,
    libc::SYS_delete_module,
    libc::SYS_fanotify_init,
    libc::SYS_finit_module,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fsopen,
    libc::SYS_fspick,
    libc::SYS_init_module,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_io_uring_setup,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_ioperm,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_iopl,
    libc::SYS_kcmp,
    libc::SYS_kexec_file_load,
    #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
    libc::SYS_kexec_load,
    libc::SYS_keyctl,
    libc::SYS_mount,
    libc::SYS_mount_setattr,
    libc::SYS_move_mount,
    libc::SYS_name_to_handle_at,
    libc::SYS_open_by_handle_at,
    libc::SYS_open_tree,
    libc::SYS_perf_event_open,
    libc::SYS_pidfd_getfd,
    libc::SYS_pivot_root,
    libc::SYS_process_madvise,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_ptrace,
    libc::SYS_quotactl,
    libc::SYS_reboot,
    libc::SYS_request_key,
    libc::SYS_setdomainname,
    libc::SYS_sethostname,
    libc::SYS_setns,
    libc::SYS_settimeofday,
    libc::SYS_swapoff,
    libc::SYS_swapon,
    libc::SYS_syslog,
    libc::SYS_umount2,
    libc::SYS_unshare,
    libc::SYS_userfaultfd,
    libc::SYS_vhangup,
];

/// Flags of `clone` that make a namespace.
const NAMESPACES: &[libc::c_int] = &[
    libc::CLONE_NEWCGROUP,
    libc::CLONE_NEWIPC,
    libc::CLONE_NEWNET,
    libc::CLONE_NEWNS,
    libc::CLONE_NEWPID,
    libc::CLONE_NEWUSER,
    libc::CLONE_NEWUTS,
];

/// Requests to a terminal that put words into the mouth of its user.
const TYPING: &[u64] = &[libc::TIOCSTI, TIOCLINUX];

/// A request to a console that can paste; the C library's constants lack it.
const TIOCLINUX: u64 = 0x541C;

/// Calls of the second numbering that 64-bit kernels for x86 may have.
#[cfg(target_arch = "x86_64")]
const X32: i64 = 0x4000_0000;

/// Memory, queues and locks that processes find by a number or a name, wherever their files are.
const SHARED: &[i64] = &[
    libc::SYS_mq_open,
    libc::SYS_mq_unlink,
    libc::SYS_msgctl,
    libc::SYS_msgget,
    libc::SYS_msgrcv,
    libc::SYS_msgsnd,
    libc::SYS_semctl,
    libc::SYS_semget,
    libc::SYS_semop,
    libc::SYS_semtimedop,
    libc::SYS_shmat,
    libc::SYS_shmctl,
    libc::SYS_shmget,
];

type Rules = BTreeMap<i64, Vec<SeccompRule>>;

/// Closes the dangerous calls: they say that they are not permitted.
pub(crate) fn close_dangerous() -> Result<(), String> {
    let mut rules: Rules = DANGEROUS.iter().map(|number| (*number, Vec::new())).collect();
    let flags = NAMESPACES.iter().map(|flag| bits(0, u64::from(flag.unsigned_abs())));
    rules.insert(libc::SYS_clone, flags.collect::<Result<_, _>>()?);
    let requests = TYPING.iter().map(|request| equal(1, *request));
    rules.insert(libc::SYS_ioctl, requests.collect::<Result<_, _>>()?);
    // Of itself a process may know and change the limits. With those of another it could end it.
    rules.insert(libc::SYS_prlimit64, vec![rule(0, SeccompCmpOp::Ne, 0)?]);
    install(rules, libc::EPERM)?;
    // Its flags lie in memory, where a filter cannot look. Without it, libraries use `clone`.
    install(Rules::from([(libc::SYS_clone3, Vec::new())]), libc::ENOSYS)
}

/// Closes what is shared with all processes of the user where there is no namespace for it.
pub(super) fn close_shared_memory() -> Result<(), String> {
    install(SHARED.iter().map(|number| (*number, Vec::new())).collect(), libc::EACCES)
}

/// Closes new sockets, connected pairs apart.
pub(super) fn close_sockets(sockets: Sockets) -> Result<(), String> {
    match sockets {
        Sockets::Closed => install(Rules::from([(libc::SYS_socket, Vec::new())]), libc::EACCES),
        Sockets::Open => Ok(()),
    }
}

/// Installs a filter for this process and all that come from it: calls that match `rules` fail with `error`. A rule
/// without conditions matches always.
fn install(rules: Rules, error: libc::c_int) -> Result<(), String> {
    #[cfg(target_arch = "x86_64")]
    let rules: Rules = rules
        .into_iter()
        .flat_map(|(number, rules)| [(number, rules.clone()), (number | X32, rules)])
        .collect();
    let told = |error: &dyn std::fmt::Display| format!("the filter of system calls cannot be made: {error}");
    let architecture = std::env::consts::ARCH.try_into().map_err(|error| told(&error))?;
    let error = SeccompAction::Errno(error.unsigned_abs());
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, error, architecture);
    let program: BpfProgram =
        filter.map_err(|error| told(&error))?.try_into().map_err(|error| told(&error))?;
    apply_filter(&program).map_err(|error| told(&error))
}

fn equal(argument: u8, value: u64) -> Result<SeccompRule, String> {
    rule(argument, SeccompCmpOp::Eq, value)
}

fn bits(argument: u8, mask: u64) -> Result<SeccompRule, String> {
    rule(argument, SeccompCmpOp::MaskedEq(mask), mask)
}

fn rule(argument: u8, operation: SeccompCmpOp, value: u64) -> Result<SeccompRule, String> {
    SeccompCondition::new(argument, SeccompCmpArgLen::Dword, operation, value)
        .and_then(|condition| SeccompRule::new(vec![condition]))
        .map_err(|error| error.to_string())
}
