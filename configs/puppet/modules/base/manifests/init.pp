# What every server of a pool gets ahead of time. An example that needs no privileges: all of it lies below the server's
# own directory. On a real machine packages, users and services would stand here.
class base {
  $etc = "${facts['hfs_directory']}/etc"

  file { $etc:
    ensure => directory,
  }

  file { "${etc}/motd":
    content => "${facts['hfs_server']} of ${facts['hfs_environment']}, in ${facts['hfs_az']}\n",
  }

  exec { 'list what the tools are':
    command => "/bin/sh -c 'for tool in python3 tar; do command -v \$tool; done >${etc}/tools'",
    creates => "${etc}/tools",
    require => File[$etc],
  }
}
