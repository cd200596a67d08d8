# What a server gets beyond that when it becomes an instance of a service.
class profile::api {
  include base

  file { "${facts['hfs_directory']}/etc/role":
    content => "${facts['hfs_service']} ${facts['hfs_version']}, slot ${facts['hfs_slot']}\n",
  }
}
