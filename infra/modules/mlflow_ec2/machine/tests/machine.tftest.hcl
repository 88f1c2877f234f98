variables {
  hostname       = "203-0-113-7.sslip.io"
  region         = "eu-west-1"
  bucket         = "course--stag--123456789012"
  parameter_path = "/course/stag/"
  volume_id      = "vol-0123456789abcdef0"
}

run "on_aws" {
  command = plan

  assert {
    condition     = startswith(output.cloud_init, "#cloud-config\n")
    error_message = "cloud-init takes it for something else than a cloud-config."
  }

  assert {
    condition     = strcontains(output.cloud_init, "MACHINE_CERTIFICATE=\\\"public\\\"") && !strcontains(output.cloud_init, "AWS_ENDPOINT_URL=")
    error_message = "On AWS the certificate is a public one, and there is no endpoint."
  }

  assert {
    condition     = output.user_data == base64gzip(output.cloud_init)
    error_message = "The user data are not the cloud-config."
  }
}

run "on_an_emulator" {
  command = plan

  variables {
    certificate  = "internal"
    endpoint_url = "http://10.0.2.2:5000"
  }

  assert {
    condition     = strcontains(output.cloud_init, "MACHINE_CERTIFICATE=\\\"internal\\\"") && strcontains(output.cloud_init, "AWS_ENDPOINT_URL=\\\"http://10.0.2.2:5000\\\"")
    error_message = "The certificate's source or the endpoint is not passed on."
  }
}

run "a_hostname_that_a_shell_would_read" {
  command = plan

  variables {
    hostname = "$(reboot).example.org"
  }

  expect_failures = [var.hostname]
}

run "another_certificate" {
  command = plan

  variables {
    certificate = "none"
  }

  expect_failures = [var.certificate]
}

run "no_region" {
  command = plan

  variables {
    region = "eu west 1"
  }

  expect_failures = [var.region]
}

run "no_bucket" {
  command = plan

  variables {
    bucket = "Course"
  }

  expect_failures = [var.bucket]
}

run "a_path_of_one_part" {
  command = plan

  variables {
    parameter_path = "/course/"
  }

  expect_failures = [var.parameter_path]
}

run "no_volume" {
  command = plan

  variables {
    volume_id = "../sda"
  }

  expect_failures = [var.volume_id]
}

run "no_endpoint" {
  command = plan

  variables {
    endpoint_url = "ftp://somewhere"
  }

  expect_failures = [var.endpoint_url]
}
